//! What a request is taken to mean before it is routed: its path in one form, its host without what does not count, and
//! the address it comes from. Only decisions; headers are read and written by the proxy.

pub mod host;
pub mod origin;
pub mod path;
