//! From an accepted connection to the filter that serves it.

pub mod accept;
pub mod activity;
pub mod connection;
pub mod drain;
pub mod io;
