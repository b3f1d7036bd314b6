//! Runs the real binary with real applications, and drives the mesh over sockets as a user would.
//!
//! Nothing here reaches into a process: what the tests know of a mesh they learn from its ports, its files, its
//! output and the process table.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::expect_used)]

pub mod binaries;
pub mod control;
pub mod envoy;
pub mod foreign;
pub mod grpc_python;
pub mod load;
pub mod mesh;
pub mod parts;
pub mod pieces;
pub mod ports;
pub mod processes;
