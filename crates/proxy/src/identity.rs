//! The workload's identity, if the proxy has one. Getting and renewing it is `ripstop-identity`'s.

use ripstop_identity::svid::IdentityHandle;

/// The identity that TLS contexts use.
#[derive(Clone)]
pub struct Identity {
    /// Current certificate and trust bundle.
    pub handle: IdentityHandle,
}
