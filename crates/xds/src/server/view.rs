//! The contract with whoever decides what a proxy may see.

use std::fmt;
use std::sync::Arc;

use ripstop_model::{Node, SpiffeId};
use tokio::sync::watch;

use crate::encoded::EncodedSnapshot;
use crate::server::{EncodedSecrets, StreamStatus};

/// Decides who a proxy is and what it may see.
pub trait ViewSource: Send + Sync + 'static {
    /// Called once for each stream, with the node of its first request and what is known of whoever sent it.
    ///
    /// # Errors
    /// A refusal ends the stream with `PERMISSION_DENIED` and its message.
    fn connect(&self, node: &Node, peer: &Peer) -> Result<View, Refusal>;
}

/// What one stream is shown.
pub struct View {
    /// Each new value is pushed; values that come faster than they are acknowledged are skipped.
    pub snapshots: watch::Receiver<Arc<EncodedSnapshot>>,
    /// Where the stream reports what became of it: one for each stream, or a stream that ends late marks the one
    /// that replaced it as closed.
    pub status: Arc<StreamStatus>,
    /// Called when the proxy asks for secrets for the first time; `None`: it gets none.
    pub secrets: Option<OpenSecrets>,
}

/// Opens what a stream is shown of secrets.
pub type OpenSecrets = Box<dyn FnOnce() -> watch::Receiver<Arc<EncodedSecrets>> + Send>;

/// Why a proxy gets nothing. The message goes to the proxy and its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What is known of the peer of a connection. The accept loop of the server puts it into the extensions of every
/// request; without it the peer is [`Peer::Unknown`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// It has shown no certificate that is valid now.
    #[default]
    Unknown,
    /// It has proved this by its certificate.
    Proved(SpiffeId),
    /// It came through a door that only processes of this machine can reach, and is taken at its word.
    Local,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Unknown => f.write_str("without certificate"),
            Peer::Proved(id) => f.write_str(id.as_str()),
            Peer::Local => f.write_str("local"),
        }
    }
}
