//! The whole mesh as its users meet it.
#![allow(clippy::unwrap_used)]

mod canary;
mod certificates;
mod changes;
mod envoy_files;
mod envoy_sds;
mod failures;
mod federation;
mod footprint;
mod interop;
mod interop_page;
mod lifecycle;
mod listener_changes;
mod metrics;
mod original_dst;
mod proxyless;
mod resilience;
mod revocation;
mod rotations;
mod security;
mod serving;
mod slow_clients;
