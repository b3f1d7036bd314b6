//! HTTP filters that see a request before it is routed on, in the order in which they stand, and what routes say to them. Not
//! what only counts or limits: that stands in the connection manager itself.

use std::collections::BTreeMap;

use crate::Name;
use crate::cors::CorsPolicy;
use crate::fault::HttpFault;
use crate::session::StatefulSession;

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFilter {
    /// What routes call it.
    pub name: Name,
    /// It does nothing, unless a route has something for it.
    pub disabled: bool,
    /// What it does.
    pub kind: HttpFilterKind,
}

impl HttpFilter {
    /// Envoy's usual name of the filter for CORS.
    pub const CORS: &str = "envoy.filters.http.cors";
    /// Envoy's usual name of the filter for faults.
    pub const FAULT: &str = "envoy.filters.http.fault";

    /// Answers for pages of other origins, as routes say.
    pub fn cors() -> HttpFilter {
        HttpFilter { name: HttpFilter::CORS.into(), disabled: false, kind: HttpFilterKind::Cors }
    }

    /// Makes up faults, as routes say.
    pub fn fault() -> HttpFilter {
        let kind = HttpFilterKind::Fault(Box::default());
        HttpFilter { name: HttpFilter::FAULT.into(), disabled: false, kind }
    }
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFilterKind {
    /// Answers for pages of other origins. Its policy stands in routes.
    Cors,
    /// Makes up faults.
    Fault(Box<HttpFault>),
    /// Keeps sessions with their endpoints.
    Session(Box<StatefulSession>),
}

/// What a route, or what it is in, says to filters, by their names.
pub type FilterOverrides = BTreeMap<Name, FilterOverride>;

/// What is said to one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterOverride {
    /// It does nothing here.
    Disabled,
    /// For a filter for CORS.
    Cors(Box<CorsPolicy>),
    /// For one for faults, in the place of what it says itself.
    Fault(Box<HttpFault>),
    /// For one for sessions, in the place of what it says itself.
    Session(Box<StatefulSession>),
}
