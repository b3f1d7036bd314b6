//! Which calls of gRPC are counted, and under which names.

use crate::Name;

/// Envoy's `GrpcStats` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcStats {
    /// Which methods have counters of their own; all others share some.
    pub methods: CountedMethods,
    /// How long calls take at the upstream is measured as well.
    pub upstream_times: bool,
    /// Dots in names of services become underscores.
    pub replace_dots: bool,
}

/// The methods that have counters of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CountedMethods {
    /// None.
    #[default]
    None,
    /// Every method that is called, up to a limit of the proxy's.
    All,
    /// These.
    These(Vec<CountedService>),
}

/// Methods of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedService {
    /// Name of the service with its package, for instance `shop.Cart`.
    pub name: Name,
    /// Names of methods.
    pub methods: Vec<Name>,
}
