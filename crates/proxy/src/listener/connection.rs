//! What is known of a client connection before its first request.

use std::net::SocketAddr;

use ripstop_identity::peer::PeerIdentity;

use super::activity::{Activity, Heard};

/// A client connection as requests and logs see it.
pub struct ConnectionInfo {
    /// The client.
    pub remote: SocketAddr,
    /// Where it connected to.
    pub local: SocketAddr,
    /// Who the client has proved to be.
    pub peer: Option<PeerIdentity>,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The element that describes the client's certificate in `x-forwarded-client-cert`.
    pub client_cert: Option<http::HeaderValue>,
    /// When something last happened on it.
    pub activity: Activity,
}

impl ConnectionInfo {
    /// A connection without TLS.
    pub fn plain(remote: SocketAddr, local: SocketAddr) -> ConnectionInfo {
        let activity = Activity::new(Heard::default());
        ConnectionInfo { remote, local, peer: None, tls: false, client_cert: None, activity }
    }
}
