//! Which route takes a request: Envoy's route configuration, compiled.
//!
//! First the virtual host, by the host of the request ([`hosts`]); then its routes in order, of which the first whose
//! conditions all hold is taken ([`path`], [`header`], [`query`]). There is no second virtual host to fall back on.
//! What a route then does is not known here: [`RouteRef::index`] leads the caller to it.

use ripstop_model::route::RouteMatch;
use ripstop_model::{Name, RouteConfiguration};

pub mod header;
pub mod hosts;
pub mod path;
pub mod query;
pub mod text;

use header::HeaderMatcher;
use hosts::HostIndex;
use path::PathMatcher;
use query::QueryMatcher;

/// What of a request a route can look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Host and, where the client sent one, port.
    pub authority: &'a str,
    /// The path, without query and fragment.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// For instance `GET`.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// All headers; the pseudo-headers are the fields above.
    pub headers: &'a http::HeaderMap,
}

/// A route that takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteRef {
    /// Position in [`RouteConfiguration::virtual_hosts`].
    pub virtual_host: usize,
    /// Position in [`VirtualHost::routes`](ripstop_model::VirtualHost::routes).
    pub route: usize,
    /// Position among all routes of all virtual hosts, below [`RouteTable::len`].
    pub index: usize,
}

/// Why no route takes a request; the answer is 404 with flag `NR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoRoute {
    /// No virtual host has a domain for the host of the request.
    #[error("no virtual host has a domain for the host of the request")]
    VirtualHost,
    /// This virtual host (by position) has the domain, none of its routes matches.
    #[error("no route of the virtual host matches the request")]
    Route(usize),
}

/// A route configuration that cannot be used. Names where it is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Two virtual hosts, or one of them twice, have the same domain.
    #[error("virtual host `{virtual_host}`: domains: `{domain}` already belongs to virtual host `{other}`")]
    DuplicateDomain {
        /// The second that has it.
        virtual_host: Name,
        /// The domain.
        domain: Name,
        /// The first that has it.
        other: Name,
    },
    /// A domain has no `*` at its beginning or end, but elsewhere, or is empty.
    #[error(
        "virtual host `{virtual_host}`: domains: `{domain}` is no domain; write `name`, `*.suffix`, `prefix.*` or `*`"
    )]
    Domain {
        /// The one that has it.
        virtual_host: Name,
        /// The domain.
        domain: Name,
    },
    /// A regular expression cannot be compiled.
    #[error(
        "virtual host `{virtual_host}`: route {route}: {field}: `{pattern}` is no usable regular expression: {why}"
    )]
    Regex {
        /// Where the route is.
        virtual_host: Name,
        /// Position and, if it has one, name of the route.
        route: String,
        /// For instance `match.headers[x-version]`.
        field: String,
        /// The expression.
        pattern: Name,
        /// What the compiler says.
        why: String,
    },
}

/// A compiled route configuration. Immutable; shared by all workers.
#[derive(Debug)]
pub struct RouteTable {
    hosts: HostIndex,
    virtual_hosts: Vec<CompiledHost>,
    routes: Vec<CompiledRoute>,
}

#[derive(Debug)]
struct CompiledHost {
    name: Name,
    /// Its routes are `routes[first..end]` of the table.
    first: usize,
    end: usize,
}

#[derive(Debug)]
struct CompiledRoute {
    name: Name,
    path: PathMatcher,
    headers: Vec<HeaderMatcher>,
    query: Vec<QueryMatcher>,
}

impl RouteTable {
    /// Prepares everything that a request would otherwise have to wait for.
    ///
    /// # Errors
    /// A domain that stands twice or is malformed, or a regular expression that does not compile.
    pub fn compile(config: &RouteConfiguration) -> Result<RouteTable, CompileError> {
        let hosts = HostIndex::compile(&config.virtual_hosts)?;
        let mut table = RouteTable { hosts, virtual_hosts: Vec::new(), routes: Vec::new() };
        for host in &config.virtual_hosts {
            let first = table.routes.len();
            for (position, route) in host.routes.iter().enumerate() {
                let compiled = CompiledRoute::compile(&route.name, &route.matches).map_err(|error| {
                    CompileError::Regex {
                        virtual_host: host.name.clone(),
                        route: match &*route.name {
                            "" => format!("{position}"),
                            name => format!("{position} (`{name}`)"),
                        },
                        field: error.field,
                        pattern: error.error.pattern,
                        why: error.error.why,
                    }
                })?;
                table.routes.push(compiled);
            }
            let end = table.routes.len();
            table.virtual_hosts.push(CompiledHost { name: host.name.clone(), first, end });
        }
        Ok(table)
    }

    /// The route that takes a request.
    ///
    /// # Errors
    /// No virtual host has the domain, or none of its routes matches.
    pub fn find(&self, request: &RequestHead<'_>) -> Result<RouteRef, NoRoute> {
        let virtual_host = self.hosts.find(request.authority).ok_or(NoRoute::VirtualHost)?;
        let CompiledHost { first, end, .. } = self.virtual_hosts[virtual_host];
        let found = self.routes[first..end].iter().position(|route| route.matches(request));
        let route = found.ok_or(NoRoute::Route(virtual_host))?;
        Ok(RouteRef { virtual_host, route, index: first + route })
    }

    /// How many routes there are in all virtual hosts together.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route at all.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Name of the virtual host at this position.
    pub fn virtual_host_name(&self, virtual_host: usize) -> Option<&Name> {
        self.virtual_hosts.get(virtual_host).map(|host| &host.name)
    }

    /// Name of the route with this [`RouteRef::index`]; may be empty.
    pub fn route_name(&self, index: usize) -> Option<&Name> {
        self.routes.get(index).map(|route| &route.name)
    }
}

/// Which condition of a route has the bad expression.
struct FieldError {
    field: String,
    error: text::RegexError,
}

impl CompiledRoute {
    fn compile(name: &Name, matches: &RouteMatch) -> Result<CompiledRoute, FieldError> {
        let path = PathMatcher::compile(&matches.path, matches.case_sensitive)
            .map_err(|error| FieldError { field: "match.safe_regex".to_owned(), error })?;
        let headers = matches.headers.iter().map(|header| {
            let at = |error| FieldError { field: format!("match.headers[{}]", header.name), error };
            HeaderMatcher::compile(header).map_err(at)
        });
        let query = matches.query.iter().map(|query| {
            let at = |error| FieldError { field: format!("match.query_parameters[{}]", query.name), error };
            QueryMatcher::compile(query).map_err(at)
        });
        Ok(CompiledRoute {
            name: name.clone(),
            path,
            headers: headers.collect::<Result<_, _>>()?,
            query: query.collect::<Result<_, _>>()?,
        })
    }

    fn matches(&self, request: &RequestHead<'_>) -> bool {
        self.path.matches(request.path)
            && self.headers.iter().all(|header| header.matches(request))
            && self.query.iter().all(|query| query.matches(request.query))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
