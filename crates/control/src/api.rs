//! How people and tools talk with a control plane: JSON over HTTP/1.1, through two doors. Through the TCP door a bearer token
//! says who is there and what they may do. The door of the administrator is a Unix socket of mode 0600: whoever can open it
//! may do everything.
//!
//! Errors are `{"error": "...", "help": "..."}`. Nothing is decided here: pages show values that others keep, and pass
//! changes to [`crate::change`].

mod analyze;
mod api_tokens;
mod apply;
mod auth;
mod body;
mod certificates;
mod config;
mod door;
mod effective;
mod explain;
mod history;
mod host;
mod metrics;
mod openapi;
mod page;
mod problems;
mod reply;
mod resources;
mod rollout;
mod status;
mod time;
mod tokens;
mod workloads;

use std::sync::Arc;
use std::time::SystemTime;

use ripstop_identity::authority::Authority;
use ripstop_identity::clock::Clock;
use ripstop_identity::followers::Followers;
use ripstop_identity::issuance::IssuanceStats;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::token::TokenStore;
use ripstop_runtime::ready::Readiness;
use tokio::sync::watch;

use crate::change::Changes;
use crate::push::Hub;
use crate::role::Role;
use crate::serve::{InForce, Reloads};

pub(crate) use auth::ApiTokens;
pub(crate) use door::{Door, serve};

/// Everything that can be asked about.
pub(crate) struct Api {
    /// Configuration.
    pub(crate) in_force: watch::Receiver<Arc<InForce>>,
    /// The way to change it.
    pub(crate) changes: Arc<Changes>,
    /// Who may do what.
    pub(crate) api_tokens: Arc<ApiTokens>,
    /// What may be done from this machine without a token.
    pub(crate) loopback: Option<Role>,
    /// Connected proxies.
    pub(crate) hub: Hub,
    /// Who signs.
    pub(crate) authority: Arc<Authority>,
    /// Who follows the authority.
    pub(crate) followers: Followers,
    /// Join tokens.
    pub(crate) tokens: Arc<TokenStore>,
    /// Certificates given and refused.
    pub(crate) issuance: Arc<IssuanceStats>,
    /// The control plane's own certificate.
    pub(crate) identity: IdentityHandle,
    /// Edits of the documents.
    pub(crate) reloads: Arc<Reloads>,
    /// What the start or the end still waits for.
    pub(crate) ready: Readiness,
    /// The time.
    pub(crate) clock: Clock,
    /// When the control plane started.
    pub(crate) started: SystemTime,
}

impl Api {
    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }
}
