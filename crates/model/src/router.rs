//! What the router, the last HTTP filter, is told for all routes.

/// Envoy's `Router`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterOptions {
    /// Headers that begin with `x-envoy-` are neither added to requests nor to answers.
    pub suppress_envoy_headers: bool,
    /// `x-envoy-expected-rq-timeout-ms` of a request decides its timeout where it stands.
    pub respect_expected_rq_timeout: bool,
}
