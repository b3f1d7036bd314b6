//! Which properties of a request decide where it goes, so that equal ones go to the same place.

use std::time::Duration;

use super::RegexSubstitution;
use crate::Name;

/// Envoy's `HashPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub source: HashSource,
    /// If this gives a hash, the policies behind it are not asked.
    pub terminal: bool,
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashSource {
    /// The values of a request header.
    Header {
        /// Lower-case name.
        name: Name,
        /// What the value becomes before it is hashed.
        rewrite: Option<RegexSubstitution>,
    },
    /// The value of a cookie.
    Cookie(HashCookie),
    /// The address of the client.
    SourceIp,
    /// The value of a query parameter.
    QueryParameter(Name),
}

/// A cookie that keeps a client where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCookie {
    /// Its name.
    pub name: Name,
    /// The client gets one that lives this long if it has none; zero: until it is closed. `None`: it gets none.
    pub ttl: Option<Duration>,
    /// `Path` of the cookie that the client gets; may be empty.
    pub path: Name,
    /// More attributes of it, by name; an empty value stands for the name alone.
    pub attributes: Vec<(Name, Name)>,
}
