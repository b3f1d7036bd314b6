//! What the tests share: upstreams that behave as told, clients, identities. Never part of what is shipped.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod certificates;
pub mod client;
pub mod identity;
pub mod upstream;
pub mod wait;
