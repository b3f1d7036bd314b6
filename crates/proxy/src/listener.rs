//! From an accepted connection to the filter that serves it.

pub mod accept;
pub mod activity;
pub mod admission;
pub mod connection;
pub mod drain;
pub mod incoming;
pub mod inspect;
pub mod io;
pub mod live;
pub mod read_ahead;
pub mod record;
pub mod simple;
pub mod socket_key;
pub mod tls;
pub mod traffic;
