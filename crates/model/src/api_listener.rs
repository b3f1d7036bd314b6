//! A listener without an address: how a gRPC library that is told its configuration treats the calls that it makes itself
//! (gRFC A27). A proxy opens nothing for it.

use crate::{HttpConnectionManager, Name};

/// Envoy's `Listener` with an `api_listener`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiListener {
    /// What the application dials, for instance `users:8080`.
    pub name: Name,
    /// What becomes of its calls.
    pub manager: HttpConnectionManager,
}
