//! How a request finds its route, step by step, for people. The matchers are those of [`RouteTable::find`]; only that each
//! of them is asked by itself is different.

use super::{CompiledRoute, NoRoute, RequestHead, RouteRef, RouteTable};

/// Why a route does not take a request: the first condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The path.
    Path,
    /// The header condition at this position.
    Header(usize),
    /// The condition on a query parameter at this position.
    Query(usize),
    /// The condition on a cookie at this position.
    Cookie(usize),
    /// It takes gRPC calls only.
    NotGrpc,
    /// It takes a share of the requests, and this one did not fall into it.
    Share,
    /// It wants another connection: with TLS, or with a client certificate.
    Tls,
}

/// What became of a request at a route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Position of the virtual host; `None`: none has a domain for the host.
    pub virtual_host: Option<usize>,
    /// Of the routes of the virtual host, in order, those before the one that takes the request: why they do not.
    pub passed_over: Vec<Mismatch>,
    /// What [`RouteTable::find`] says.
    pub found: Result<RouteRef, NoRoute>,
}

impl RouteTable {
    /// The same as [`RouteTable::find`], with the way there.
    pub fn trace(&self, request: &RequestHead<'_>) -> Trace {
        let found = self.find(request);
        let virtual_host = match found {
            Ok(RouteRef { virtual_host, .. })
            | Err(NoRoute::Route(virtual_host) | NoRoute::TlsRequired(virtual_host)) => virtual_host,
            Err(NoRoute::VirtualHost) => return Trace { virtual_host: None, passed_over: Vec::new(), found },
        };
        let host = &self.virtual_hosts[virtual_host];
        let end = match found {
            Ok(route) => route.index,
            Err(NoRoute::Route(_)) => host.end,
            Err(_) => host.first,
        };
        let path = self.compared_path(request);
        let passed_over =
            self.routes[host.first..end].iter().filter_map(|route| route.mismatch(request, path)).collect();
        Trace { virtual_host: Some(virtual_host), passed_over, found }
    }
}

impl CompiledRoute {
    /// The first condition that does not hold, in the order of [`CompiledRoute::matches`].
    pub(super) fn mismatch(&self, request: &RequestHead<'_>, path: &str) -> Option<Mismatch> {
        if !self.path.matches(request, path) {
            return Some(Mismatch::Path);
        }
        let header = self.headers.iter().position(|header| !header.matches(request)).map(Mismatch::Header);
        let query = || self.query.iter().position(|query| !query.matches(request.query)).map(Mismatch::Query);
        let cookie =
            || self.cookies.iter().position(|cookie| !cookie.matches(request.headers)).map(Mismatch::Cookie);
        let grpc = || (self.grpc && !request.is_grpc()).then_some(Mismatch::NotGrpc);
        let share = || (!self.takes_share(request)).then_some(Mismatch::Share);
        let tls = || (!request.fulfils(self.tls)).then_some(Mismatch::Tls);
        header.or_else(query).or_else(cookie).or_else(grpc).or_else(share).or_else(tls)
    }
}
