//! What people and tools are shown of a control plane: JSON over HTTP/1.1, through two doors. The TCP door only reads. The
//! door of the administrator is a Unix socket of mode 0600 and can make join tokens, too.
//!
//! Errors are `{"error": "...", "help": "..."}`. Everything is read from values that others keep; nothing is decided here.

mod door;
mod host;
mod metrics;
mod page;
mod problems;
mod reply;
mod resources;
mod status;
mod time;
mod tokens;
mod workloads;

use std::sync::Arc;
use std::time::SystemTime;

use ripstop_identity::authority::Authority;
use ripstop_identity::clock::Clock;
use ripstop_identity::issuance::IssuanceStats;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::token::TokenStore;
use ripstop_runtime::ready::Readiness;
use tokio::sync::watch;

use crate::push::Hub;
use crate::serve::{InForce, Reloads};

pub(crate) use door::{Door, serve};

/// Everything that can be asked about.
pub(crate) struct Api {
    /// Configuration.
    pub(crate) in_force: watch::Receiver<Arc<InForce>>,
    /// Connected proxies.
    pub(crate) hub: Hub,
    /// Who signs.
    pub(crate) authority: Arc<Authority>,
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
