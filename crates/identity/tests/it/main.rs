//! Identity as others see it: handshakes between workloads, issuance and renewal over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod decade;
mod handshake;
mod issuance;
mod istio;
mod negative;
mod negative_requests;
mod renewal;
mod revocation;
mod succession;
mod support;
#[path = "../../src/testdir.rs"]
mod testdir;
mod user_ca;
