//! Where the configuration of a proxy comes from that was started with a file: the file itself, a control plane that it
//! names, and further files.

pub mod ads;
pub mod channel;
pub mod files;
pub mod secrets;

use ripstop_identity::context::ContextError;
use ripstop_model::Name;
use ripstop_xds::client::BadHeader;

/// Why a server that a file names cannot be asked for anything.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The cluster is not there.
    #[error("there is no cluster '{0}' in static_resources")]
    NoCluster(Name),
    /// The cluster has no endpoint that gRPC can be spoken with.
    #[error(
        "cluster '{0}' has no endpoint in the file: it needs an address, a Unix socket, or a host name with a port"
    )]
    NoEndpoint(Name),
    /// TLS.
    #[error("cluster '{cluster}': {source}")]
    Tls {
        /// The cluster.
        cluster: Name,
        /// Why.
        source: ContextError,
    },
    /// Not an address.
    #[error("'{0}' is not the address of a server; write host:port")]
    Address(String),
    /// A header.
    #[error("initial_metadata: {0}")]
    Header(#[from] BadHeader),
}
