//! Names of the metadata that carries what Envoy's schema has no field for. Real Envoy ignores it.

/// Namespace of ours in `metadata.filter_metadata`.
pub(crate) const RIPSTOP: &str = "ripstop";
/// Envoy's namespace for the labels of an endpoint.
pub(crate) const ENVOY_LB: &str = "envoy.lb";
/// In [`ENVOY_LB`] of an endpoint, bool: it runs a version on trial.
pub(crate) const CANARY: &str = "canary";
/// Envoy's namespace for what chooses the transport socket of an endpoint.
pub(crate) const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// On a route, bool: retries whatever the method.
pub(crate) const ANY_METHOD: &str = "any_method";
/// On a route, text: words that say how retries wait, and [`ANY_METHOD`].
pub(crate) const RETRY: &str = "retry";
/// On a cluster, struct: when it, or an endpoint of it, is left alone for a while.
pub(crate) const CIRCUIT_BREAKER: &str = "circuit_breaker";
/// On a cluster, struct: which requests are refused first.
pub(crate) const LOAD_SHEDDING: &str = "load_shedding";
/// On a cluster, bool: the retry budget is a share of first tries, which are not retries themselves.
pub(crate) const RETRY_BUDGET_OF_FIRST_TRIES: &str = "retry_budget_of_first_tries";
/// On a cluster, bool: `UpstreamProtocol::Auto` without TLS, which Envoy's `auto_config` refuses.
pub(crate) const AUTO_PROTOCOL: &str = "auto_protocol";
/// On a cluster, number: the least response time decides; seconds for which a slow answer is remembered.
pub(crate) const LEAST_RESPONSE_TIME: &str = "least_response_time";
/// On a cluster, number: `max_ejection_percent` where it is not a whole percent.
pub(crate) const MAX_EJECTION_PER_MILLION: &str = "max_ejection_per_million";
/// Runtime key of numbers that cannot be set by name, where Envoy wants a key.
pub(crate) const UNSET: &str = "ripstop.unset";
/// On a locality, bool: it has no weight of its own. The field cannot stay away, because gRPC leaves
/// out localities without weight.
pub(crate) const UNWEIGHTED: &str = "unweighted";
