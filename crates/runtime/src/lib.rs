//! Process plumbing: sockets, shutdown, readiness, logs and the skeleton of admin pages.
//!
//! Nothing here knows what a mesh is. Sockets are made in [`socket`] and [`listen`] and nowhere else, so that a
//! simulated network can take their place.

pub mod admin;
pub mod listen;
pub mod memory;
pub mod panic;
pub mod port_holder;
pub mod ready;
pub mod shutdown;
pub mod socket;
pub mod stream;
pub mod telemetry;
pub mod watch;
