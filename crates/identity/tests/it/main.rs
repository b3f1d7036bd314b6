//! Identity as others see it: handshakes between workloads, issuance and renewal over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod handshake;
mod issuance;
mod renewal;
mod support;
#[path = "../../src/testdir.rs"]
mod testdir;
