//! Which requests may turn their connection into a stream of bytes: upgrades such as WebSocket, and CONNECT.

use crate::Name;

/// Envoy's `UpgradeConfig`, of a connection manager or of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What the header `upgrade` says, without case, or `CONNECT`.
    pub protocol: Name,
    /// Off takes away what is allowed elsewhere.
    pub enabled: bool,
    /// For CONNECT on a route: the tunnel ends here, and its bytes go to the cluster as they are. Without it the CONNECT is
    /// forwarded.
    pub terminate: Option<TerminateConnect>,
}

impl Upgrade {
    /// The name of CONNECT among protocols.
    pub const CONNECT: &str = "CONNECT";
    /// The name of WebSocket among protocols.
    pub const WEBSOCKET: &str = "websocket";

    /// Allows upgrades to a protocol.
    pub fn to(protocol: impl Into<Name>) -> Upgrade {
        Upgrade { protocol: protocol.into(), enabled: true, terminate: None }
    }
}

/// Envoy's `ConnectConfig`: the bytes of the tunnel go to the cluster as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminateConnect {
    /// The body of a POST is a tunnel too: it goes to the cluster as it is, and what comes back is the body of the answer.
    pub allow_post: bool,
}
