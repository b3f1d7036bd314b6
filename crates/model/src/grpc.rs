//! What is counted of gRPC calls.

use crate::Name;

/// Envoy's filter `grpc_stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcStats {
    /// Which methods have counters of their own.
    pub methods: GrpcMethods,
    /// Times of calls are counted too.
    pub upstream_times: bool,
    /// Dots in the names of services become underscores in the names of counters.
    pub replace_dots: bool,
}

/// Which methods have counters of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrpcMethods {
    /// None: all calls of a cluster are counted together.
    None,
    /// All that are called.
    All,
    /// These; all others are counted together.
    Listed(Vec<GrpcService>),
}

/// A service and some of its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcService {
    /// Full name, for instance `shop.Cart`.
    pub name: Name,
    /// Names of methods, at least one.
    pub methods: Vec<Name>,
}
