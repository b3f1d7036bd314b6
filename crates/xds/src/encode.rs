//! Model → wire. What comes out is accepted by real Envoy, and `decode` gives back what went in.
//!
//! The bytes of equal values are equal, across runs and machines, because versions are hashes of them.
//! Two values mean nothing and are not sent: a `PathRewrite::Prefix` of the empty text, and `ignore_case` on a
//! regex. And a listener that matches `transport_protocol` comes back with the TLS inspector that this needs.

mod access_log;
mod adaptive_concurrency;
mod admission_control;
mod balancing;
mod chain_match;
mod circuit_breaker;
mod cluster;
mod common;
mod cors;
mod endpoint;
mod fault;
mod format;
mod health_check;
mod http1;
mod http2;
mod http_filters;
mod http_manager;
mod listener;
mod listener_filter;
mod load_shedding;
mod matcher;
mod metadata;
mod mirror;
mod network_filter;
mod outlier;
mod rbac;
mod retry;
mod route;
mod runtime;
mod session;
mod tls;
mod upgrade;
mod upstream_connection;
mod upstream_http;

use prost::Message;
use ripstop_model::{ApiListener, Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret};

/// The value of the `Any` that holds this listener.
pub fn encode_listener(listener: &Listener) -> Vec<u8> {
    listener::listener(listener).encode_to_vec()
}

/// The value of the `Any` that holds this listener of a gRPC library.
pub fn encode_api_listener(listener: &ApiListener) -> Vec<u8> {
    listener::api_listener(listener).encode_to_vec()
}

/// The value of the `Any` that holds this route configuration.
pub fn encode_route_configuration(routes: &RouteConfiguration) -> Vec<u8> {
    route::route_configuration(routes)
}

/// The value of the `Any` that holds this cluster.
pub fn encode_cluster(cluster: &Cluster) -> Vec<u8> {
    cluster::encode(cluster)
}

/// The value of the `Any` that holds this secret, key and all.
pub fn encode_secret(secret: &Secret) -> Vec<u8> {
    tls::secret_resource(secret).encode_to_vec()
}

/// The value of the `Any` that holds these endpoints.
pub fn encode_load_assignment(assignment: &ClusterLoadAssignment) -> Vec<u8> {
    endpoint::load_assignment(assignment).encode_to_vec()
}
