//! The shared vocabulary of the mesh: validated, immutable, comparable values.
//!
//! Everything here is inert. There is no I/O, no clock, no lock and no serialisation: a value that
//! exists is valid, and comparing two values says whether anything changed. The names are Envoy's,
//! Istio's and SPIFFE's own; how a value looks on the wire is the business of `ripstop-xds`, what is
//! decided from it that of `ripstop-policy`, what is done with it that of `ripstop-proxy`.
//!
//! ```text
//! Snapshot ─┬─ Listener ── FilterChain ─┬─ TlsServer (who may connect)
//!           │                           └─ NetworkFilter ── HttpConnectionManager ── RouteSource
//!           ├─ RouteConfiguration ── VirtualHost ── Route ── RouteAction ── cluster names
//!           ├─ Cluster ── TlsClient (whom to expect), balancing, limits, outlier detection, health checks
//!           └─ ClusterLoadAssignment ── LocalityEndpoints ── Endpoint
//! ```

pub mod access_log;
pub mod adaptive_concurrency;
pub mod address;
pub mod admission_control;
pub mod api_listener;
pub mod chain_match;
pub mod cidr;
pub mod circuit_breaker;
pub mod cluster;
pub mod config_file;
pub mod cors;
pub mod endpoint;
pub mod fault;
pub mod format;
pub mod grpc_stats;
pub mod health_check;
pub mod http1;
pub mod http2;
pub mod http_filter;
pub mod http_manager;
pub mod listener;
pub mod listener_filter;
pub mod load_balancing;
pub mod load_report;
pub mod load_shedding;
pub mod matcher;
pub mod metadata;
pub mod mirror;
pub mod network_filter;
pub mod node;
pub mod outlier;
pub mod ratio;
pub mod rbac;
pub mod route;
pub mod route_times;
pub mod router;
pub mod runtime;
pub mod session;
pub mod snapshot;
pub mod spiffe;
pub mod tls;
pub mod upgrade;
pub mod upstream_connection;
pub mod upstream_http;

pub use access_log::AccessLog;
pub use address::Address;
pub use api_listener::ApiListener;
pub use cluster::{Cluster, Discovery};
pub use config_file::ConfigFile;
pub use endpoint::{ClusterLoadAssignment, Endpoint, HealthStatus};
pub use format::Format;
pub use http_manager::HttpConnectionManager;
pub use listener::{FilterChain, Listener};
pub use load_balancing::{LbPolicy, LoadBalancing};
pub use network_filter::NetworkFilter;
pub use node::Node;
pub use ratio::Percent;
pub use route::{Route, RouteConfiguration, VirtualHost};
pub use snapshot::Snapshot;
pub use spiffe::{SpiffeId, TrustDomain};
pub use tls::{Secret, TlsClient, TlsServer};

/// A resource name. Cheap to clone, because names travel from configuration to metrics and logs.
pub type Name = std::sync::Arc<str>;
