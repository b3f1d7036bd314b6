//! What the three shop services share: configuration, store, error answers, logging and the server itself.
//!
//! The services are ordinary web applications. They speak plain HTTP to whatever address they are given and know
//! nothing of a mesh: no TLS, no retries, no load balancing and no service discovery belong here.

pub mod about;
pub mod access_log;
pub mod api_error;
pub mod config;
pub mod form;
pub mod gateway;
pub mod log;
pub mod products;
pub mod server;
pub mod store;
pub mod users;
