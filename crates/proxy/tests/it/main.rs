//! The proxy in one process: real sockets, real upstreams, configuration handed over as snapshots.
#![allow(clippy::unwrap_used)]

mod adaptive;
mod bad_input;
mod bodies;
mod breakers;
mod configuration;
mod connection_logs;
mod control_plane;
mod deadlines;
mod dns;
mod ejection;
mod floods;
mod framing;
mod harness;
mod health;
mod identity;
mod informed;
mod listeners;
mod logged_upstream;
mod mirrors;
mod mutations;
mod pools;
mod refusals;
mod requests;
mod resilience;
mod retries;
mod sanitise;
mod sessions;
mod shields;
mod silence;
mod sources;
mod tcp_upstream;
mod times;
mod tls;
mod tunnels;
