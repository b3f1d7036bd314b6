//! Which route takes a request: Envoy's route configuration, compiled.
//!
//! First the virtual host, by the host of the request ([`hosts`]); then its routes in order, of which the first whose
//! conditions all hold is taken ([`path`], [`header`], [`query`], [`cookie`]). There is no second virtual host to fall back on.
//! What a route then does is not known here: [`RouteRef::index`] leads the caller to it.

use std::borrow::Cow;

use http::HeaderName;
use ripstop_model::route::{RequireTls, RouteMatch, TlsMatch};
use ripstop_model::{Name, Percent, RouteConfiguration, VirtualHost};

use crate::runtime::Runtime;

pub mod cookie;
mod glance;
pub mod header;
pub mod hosts;
mod names;
pub mod path;
pub mod query;
mod request;
pub mod template;
pub mod text;
mod trace;

use cookie::CookieMatcher;
use glance::Glances;
use header::HeaderMatcher;
use hosts::HostIndex;
use path::PathMatcher;
use query::QueryMatcher;

pub use request::RequestHead;
pub use trace::{Mismatch, Trace};

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

/// Why no route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoRoute {
    /// No virtual host has a domain for the host of the request; the answer is 404 with flag `NR`.
    #[error("no virtual host has a domain for the host of the request")]
    VirtualHost,
    /// This virtual host (by position) has the domain, none of its routes matches; the answer is the same.
    #[error("no route of the virtual host matches the request")]
    Route(usize),
    /// This virtual host (by position) wants TLS; the answer is 301 to the same URL with `https`.
    #[error("the virtual host wants TLS")]
    TlsRequired(usize),
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

impl CompileError {
    /// A bad expression in `field` of a route.
    pub fn regex(
        host: &VirtualHost,
        position: usize,
        field: String,
        error: text::RegexError,
    ) -> CompileError {
        let route = match host.routes.get(position).map_or("", |route| &*route.name) {
            "" => format!("{position}"),
            name => format!("{position} (`{name}`)"),
        };
        let virtual_host = host.name.clone();
        CompileError::Regex { virtual_host, route, field, pattern: error.pattern, why: error.why }
    }
}

/// A compiled route configuration. Immutable; shared by all workers.
#[derive(Debug)]
pub struct RouteTable {
    hosts: HostIndex,
    /// The port does not count when a host is looked up.
    ignore_port: bool,
    /// What is looked up instead of the host.
    vhost_header: Option<HeaderName>,
    /// `;` and what follows it in a path do not count.
    ignore_path_parameters: bool,
    virtual_hosts: Vec<CompiledHost>,
    /// One for each of the routes.
    glances: Glances,
    routes: Vec<CompiledRoute>,
}

#[derive(Debug)]
struct CompiledHost {
    name: Name,
    /// Its routes are `routes[first..end]` of the table.
    first: usize,
    end: usize,
    require_tls: RequireTls,
}

#[derive(Debug)]
struct CompiledRoute {
    name: Name,
    path: PathMatcher,
    headers: Vec<HeaderMatcher>,
    query: Vec<QueryMatcher>,
    cookies: Vec<CookieMatcher>,
    grpc: bool,
    share: Option<Percent>,
    tls: TlsMatch,
}

impl RouteTable {
    /// Prepares everything that a request would otherwise have to wait for.
    ///
    /// # Errors
    /// A domain that stands twice, or a regular expression that does not compile.
    pub fn compile(config: &RouteConfiguration, runtime: &Runtime) -> Result<RouteTable, CompileError> {
        let mut table = RouteTable {
            hosts: HostIndex::compile(&config.virtual_hosts)?,
            ignore_port: config.ignore_port_in_host_matching,
            // Envoy's rules for names of headers were held to when it was decoded.
            vhost_header: config.vhost_header.as_deref().and_then(|name| HeaderName::try_from(name).ok()),
            ignore_path_parameters: config.ignore_path_parameters,
            virtual_hosts: Vec::with_capacity(config.virtual_hosts.len()),
            glances: Glances::default(),
            routes: Vec::new(),
        };
        for host in &config.virtual_hosts {
            let first = table.routes.len();
            for (position, route) in host.routes.iter().enumerate() {
                let compiled = CompiledRoute::compile(&route.name, &route.matches, runtime)
                    .map_err(|bad| CompileError::regex(host, position, bad.field, bad.error))?;
                table.glances.push(&route.matches);
                table.routes.push(compiled);
            }
            let end = table.routes.len();
            let (name, require_tls) = (host.name.clone(), host.require_tls);
            table.virtual_hosts.push(CompiledHost { name, first, end, require_tls });
        }
        table.glances.shrink_to_fit();
        table.routes.shrink_to_fit();
        Ok(table)
    }

    /// The route that takes a request.
    ///
    /// # Errors
    /// No virtual host has the domain, or none of its routes matches.
    pub fn find(&self, request: &RequestHead<'_>) -> Result<RouteRef, NoRoute> {
        let host = self.host_of(request).ok_or(NoRoute::VirtualHost)?;
        let virtual_host = self.hosts.find(&host).ok_or(NoRoute::VirtualHost)?;
        let CompiledHost { first, end, require_tls, .. } = self.virtual_hosts[virtual_host];
        let tls_required = match require_tls {
            RequireTls::None => false,
            RequireTls::ExternalOnly => !request.is_https() && !request.is_internal(),
            RequireTls::All => !request.is_https(),
        };
        if tls_required {
            return Err(NoRoute::TlsRequired(virtual_host));
        }
        let path = self.compared_path(request);
        let ask = |route: usize| self.routes[route].matches(request, path);
        // CONNECT has no path.
        let found = if request.method == "CONNECT" {
            (first..end).position(ask)
        } else {
            self.glances.first(first..end, path.as_bytes(), ask)
        };
        let route = found.ok_or(NoRoute::Route(virtual_host))?;
        Ok(RouteRef { virtual_host, route, index: first + route })
    }

    fn compared_path<'a>(&self, request: &RequestHead<'a>) -> &'a str {
        let end = if self.ignore_path_parameters { request.path.find(';') } else { None };
        end.map_or(request.path, |end| &request.path[..end])
    }

    /// What of a request decides over the virtual host. Several values of a header are joined, as in Envoy.
    fn host_of<'a>(&self, request: &RequestHead<'a>) -> Option<Cow<'a, str>> {
        let host = match &self.vhost_header {
            None => Cow::Borrowed(request.authority),
            Some(name) => {
                let mut values = request.headers.get_all(name).iter().map(|value| value.to_str());
                let first = values.next()?.ok()?;
                values.try_fold(Cow::Borrowed(first), |all, one| {
                    Some(Cow::Owned(format!("{all},{}", one.ok()?)))
                })?
            }
        };
        Some(match host {
            Cow::Borrowed(host) if self.ignore_port => Cow::Borrowed(hosts::without_port(host)),
            host => host,
        })
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
    fn compile(name: &Name, matches: &RouteMatch, runtime: &Runtime) -> Result<CompiledRoute, FieldError> {
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
        let cookies = matches.cookies.iter().map(|cookie| {
            let at = |error| FieldError { field: format!("match.cookies[{}]", cookie.name), error };
            CookieMatcher::compile(cookie).map_err(at)
        });
        Ok(CompiledRoute {
            name: name.clone(),
            path,
            headers: headers.collect::<Result<_, _>>()?,
            query: query.collect::<Result<_, _>>()?,
            cookies: cookies.collect::<Result<_, _>>()?,
            grpc: matches.grpc,
            share: matches.share.as_ref().map(|share| runtime.fraction(share)),
            tls: matches.tls,
        })
    }

    fn matches(&self, request: &RequestHead<'_>, path: &str) -> bool {
        self.path.matches(request, path)
            && self.headers.iter().all(|header| header.matches(request))
            && self.query.iter().all(|query| query.matches(request.query))
            && self.cookies.iter().all(|cookie| cookie.matches(request.headers))
            && (!self.grpc || request.is_grpc())
            && self.takes_share(request)
            && request.fulfils(self.tls)
    }

    fn takes_share(&self, request: &RequestHead<'_>) -> bool {
        self.share.is_none_or(|share| request.random % 1_000_000 < u64::from(share.as_per_million()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
