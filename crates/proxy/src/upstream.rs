//! Connections to endpoints: making them, keeping them, and sending a request over one.

pub mod addresses;
pub mod connect;
pub mod error;
pub mod last_words;
pub mod lease;
pub mod metered;
pub mod pool;
pub mod purpose;
pub mod shared_connect;
