//! The contract with whoever decides what a proxy may see.

use std::sync::Arc;

use ripstop_model::{Node, SpiffeId};
use tokio::sync::watch;

use crate::encoded::EncodedSnapshot;
use crate::server::StreamStatus;

/// Decides who a proxy is and what it may see.
pub trait ViewSource: Send + Sync + 'static {
    /// Called once for each stream, with the node of its first request and the SPIFFE ID that the peer has
    /// proved by its certificate (see [`PeerId`]), if it has shown one.
    ///
    /// # Errors
    /// A refusal ends the stream with `PERMISSION_DENIED` and its message.
    fn connect(&self, node: &Node, peer: Option<&SpiffeId>) -> Result<View, Refusal>;
}

/// What one stream is shown.
pub struct View {
    /// Each new value is pushed; values that come faster than they are acknowledged are skipped.
    pub snapshots: watch::Receiver<Arc<EncodedSnapshot>>,
    /// Where the stream reports what became of it: one for each stream, or a stream that ends late marks the one
    /// that replaced it as closed.
    pub status: Arc<StreamStatus>,
}

/// Why a proxy gets nothing. The message goes to the proxy and its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What the peer has proved by its certificate. The accept loop of the server puts it into the extensions
/// of every request of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerId(pub SpiffeId);
