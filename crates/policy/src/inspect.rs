//! Reads the first bytes of a connection, as listener filters do: pure functions of the bytes that have come so far.
//!
//! Each can be called again and again while bytes come. None keeps state, none reads more than its bound, and whatever the
//! bytes are, none panics.

pub mod client_hello;
pub mod http;
pub mod proxy_protocol;

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// They may still become anything.
    NeedMore,
    /// This.
    Done(T),
}
