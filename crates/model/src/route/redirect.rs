//! Answers that send a client elsewhere.

use super::RegexSubstitution;
use crate::Name;

/// Envoy's `RedirectAction`: what the URL of the request becomes. What is not given stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The scheme.
    pub scheme: Option<RedirectScheme>,
    /// The host, with a port where it has one.
    pub host: Option<Name>,
    /// The port.
    pub port: Option<u32>,
    /// The path.
    pub path: Option<RedirectPath>,
    /// Status of the answer.
    pub status: RedirectStatus,
    /// The query of the request is dropped. A query in [`RedirectPath::Whole`] stays.
    pub strip_query: bool,
}

impl Redirect {
    /// 301 to the URL that was asked for. Makes sense with at least one field changed.
    pub fn new() -> Redirect {
        Redirect {
            scheme: None,
            host: None,
            port: None,
            path: None,
            status: RedirectStatus::MovedPermanently,
            strip_query: false,
        }
    }
}

impl Default for Redirect {
    fn default() -> Redirect {
        Redirect::new()
    }
}

/// The scheme of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectScheme {
    /// `https`.
    Https,
    /// This one; not empty.
    Named(Name),
}

/// The path of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPath {
    /// This one. If it has a query, that takes the place of the query of the request.
    Whole(Name),
    /// The part that matched is replaced.
    Prefix(Name),
    /// What an expression finds is replaced.
    Regex(RegexSubstitution),
}

/// The statuses that a redirect can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectStatus {
    /// 301.
    #[default]
    MovedPermanently,
    /// 302.
    Found,
    /// 303.
    SeeOther,
    /// 307.
    TemporaryRedirect,
    /// 308.
    PermanentRedirect,
}

impl RedirectStatus {
    /// As a number.
    pub fn code(self) -> u16 {
        match self {
            RedirectStatus::MovedPermanently => 301,
            RedirectStatus::Found => 302,
            RedirectStatus::SeeOther => 303,
            RedirectStatus::TemporaryRedirect => 307,
            RedirectStatus::PermanentRedirect => 308,
        }
    }
}
