//! The data plane: one proxy. Sidecar, gateway and standalone are roles it is configured into, not modes of its code.
//!
//! It executes; it decides nothing that `ripstop-policy` can decide, and knows no protobuf: configuration comes as
//! [`ripstop_model::Snapshot`]. ARCHITECTURE.md follows a request through these modules.

pub mod access_log;
pub mod admin;
pub mod app;
pub mod apply;
pub mod config;
pub mod dns;
pub mod error;
pub mod format;
pub mod generation;
pub mod health;
pub mod http;
pub mod listener;
pub mod refusals;
pub mod runtime_layers;
pub mod sds_agent;
pub mod sources;
pub mod stats;
pub mod stream_info;
pub mod sweep;
pub mod tcp_proxy;
pub mod tls;
pub mod upstream;
pub mod worker;
