//! A route configuration ready for requests: the table of `ripstop-policy`, and beside each route what to do.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use ripstop_model::Name;
use ripstop_model::metadata::Metadata;
use ripstop_model::route::{Route, RouteAction, RouteConfiguration, VirtualHost};
use ripstop_policy::redirect::Redirector;
use ripstop_policy::route::{CompileError, NoRoute, RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;

mod forward;

pub use forward::{CompiledForward, CompiledHostRewrite, Target};

use self::forward::{FieldError, at};
use super::filters::{FilterLevels, RouteFilters};
use super::mirrors;
use super::slot::ClusterSlots;
use crate::http::mutation::{Level, level};

/// Where a bad expression stands that is said to a filter.
const FILTERS: &str = "typed_per_filter_config";

/// A compiled [`RouteConfiguration`].
pub struct CompiledRoutes {
    /// What it was compiled from.
    pub config: Arc<RouteConfiguration>,
    table: RouteTable,
    /// By the flat index that the table gives.
    routes: Box<[CompiledRoute]>,
}

/// What becomes of the requests that one route takes.
pub struct CompiledRoute {
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// What is written beside it.
    pub metadata: Option<Arc<Metadata>>,
    /// What is written beside its virtual host.
    pub host_metadata: Option<Arc<Metadata>>,
    /// What it, its virtual host and the configuration change in headers, in the order in which it is done.
    pub levels: Option<Arc<[Arc<Level>]>>,
    /// What it, its virtual host and the configuration say to filters; `None`: nothing.
    pub filters: Option<Arc<RouteFilters>>,
    /// Whether it, or a share of its split, says anything to filters.
    pub says_to_filters: bool,
    /// What to do.
    pub action: CompiledAction,
}

/// A compiled [`RouteAction`].
pub enum CompiledAction {
    /// Answer.
    Direct {
        /// Status of the answer.
        status: StatusCode,
        /// Its body.
        body: Bytes,
    },
    /// Send the client elsewhere.
    Redirect {
        /// Status of the answer.
        status: StatusCode,
        /// Where to.
        to: Box<Redirector>,
    },
    /// Forward.
    Forward(Box<CompiledForward>),
    /// What only something else than a router could do.
    NonForwarding,
}

impl CompiledRoutes {
    /// Compiles a configuration. Nothing of it is left to fail on a request.
    pub fn compile(
        config: Arc<RouteConfiguration>,
        slots: &mut ClusterSlots,
        runtime: &Runtime,
    ) -> Result<CompiledRoutes, CompileError> {
        let table = RouteTable::compile(&config, runtime)?;
        let mut routes = Vec::with_capacity(table.len());
        let whole = level(config.headers.as_deref());
        for host in &config.virtual_hosts {
            let shared = level(host.headers.as_deref());
            let inherited = levels(&config, [None, shared.as_ref(), whole.as_ref()]);
            let said_by_host = FilterLevels::of(None, host, &config)
                .compile(runtime)
                .map_err(|error| CompileError::regex(host, 0, FILTERS.to_owned(), error))?;
            for (position, route) in host.routes.iter().enumerate() {
                let mut action = compile_action(route, host, slots)
                    .map_err(|bad| CompileError::regex(host, position, bad.field.to_owned(), bad.error))?;
                let said = FilterLevels::of(Some(route), host, &config);
                let bad_filter = |error| CompileError::regex(host, position, FILTERS.to_owned(), error);
                let mut shares_say = false;
                if let (CompiledAction::Forward(compiled), RouteAction::Forward(forward)) =
                    (&mut action, &route.action)
                {
                    let places = [&*forward.mirrors, &*host.mirrors, &*config.mirrors];
                    compiled.mirrors = mirrors::compile(places, slots, runtime);
                    shares_say =
                        compiled.compile_share_filters(forward, &said, runtime).map_err(bad_filter)?;
                }
                let filters = match says_something(route) {
                    true => said.compile(runtime).map_err(bad_filter)?,
                    false => said_by_host.clone(),
                };
                let name = Some(route.name.clone()).filter(|name| !name.is_empty());
                let levels = match level(route.headers.as_deref()) {
                    None => inherited.clone(),
                    own => levels(&config, [own.as_ref(), shared.as_ref(), whole.as_ref()]),
                };
                routes.push(CompiledRoute {
                    name,
                    metadata: route.metadata.clone(),
                    host_metadata: host.metadata.clone(),
                    levels,
                    says_to_filters: filters.is_some() || shares_say,
                    filters,
                    action,
                });
            }
        }
        Ok(CompiledRoutes { config, table, routes: routes.into() })
    }

    /// What is written beside a virtual host.
    pub fn metadata_of_host(&self, index: usize) -> Option<Arc<Metadata>> {
        self.config.virtual_hosts.get(index)?.metadata.clone()
    }

    /// The route that takes a request.
    pub fn find(&self, head: &RequestHead<'_>) -> Result<&CompiledRoute, NoRoute> {
        self.table.find(head).map(|found| &self.routes[found.index])
    }
}

/// Whether a route has something of its own for filters.
fn says_something(route: &Route) -> bool {
    let cors = matches!(&route.action, RouteAction::Forward(forward) if forward.cors.is_some());
    cors || !route.filters.is_empty()
}

/// Puts levels, given from the most specific one, into the order in which they change headers.
fn levels(config: &RouteConfiguration, levels: [Option<&Arc<Level>>; 3]) -> Option<Arc<[Arc<Level>]>> {
    let mut levels: Vec<_> = levels.into_iter().flatten().cloned().collect();
    if config.most_specific_header_mutations_wins {
        levels.reverse();
    }
    (!levels.is_empty()).then(|| levels.into())
}

fn compile_action(
    route: &Route,
    host: &VirtualHost,
    slots: &mut ClusterSlots,
) -> Result<CompiledAction, FieldError> {
    Ok(match &route.action {
        RouteAction::DirectResponse(direct) => CompiledAction::Direct {
            status: StatusCode::from_u16(direct.status).unwrap_or(StatusCode::OK),
            body: Bytes::copy_from_slice(&direct.body),
        },
        RouteAction::Redirect(redirect) => CompiledAction::Redirect {
            status: StatusCode::from_u16(redirect.status.code()).unwrap_or(StatusCode::MOVED_PERMANENTLY),
            to: Box::new(
                Redirector::compile(redirect, &route.matches.path).map_err(at("redirect.regex_rewrite"))?,
            ),
        },
        RouteAction::Forward(forward) => {
            CompiledAction::Forward(Box::new(CompiledForward::compile(forward, route, host, slots)?))
        }
        RouteAction::NonForwarding => CompiledAction::NonForwarding,
    })
}
