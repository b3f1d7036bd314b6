//! What answers say of the proxies that they came through: the header `proxy-status` of RFC 9209.

use crate::Name;

/// Envoy's `ProxyStatusConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyStatus {
    /// The details are left out.
    pub remove_details: bool,
    /// What the transport said of a connection is left out of the details.
    pub remove_connection_termination_details: bool,
    /// The response flags are left out of the details.
    pub remove_response_flags: bool,
    /// The status becomes what RFC 9209 recommends for the error.
    pub set_recommended_status: bool,
    /// Who says it.
    pub name: ProxyName,
}

/// What a proxy calls itself in `proxy-status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyName {
    /// As in the header `server`.
    #[default]
    Server,
    /// The id of its node.
    NodeId,
    /// This.
    Literal(Name),
}
