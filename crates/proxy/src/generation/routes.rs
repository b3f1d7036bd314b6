//! A route configuration ready for requests: the table of `ripstop-policy`, and beside each route what to do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use ripstop_model::Name;
use ripstop_model::route::{
    ClusterChoice, Forward, PathMatch, PathRewrite, RetryPolicy, RouteAction, RouteConfiguration,
};
use ripstop_model::route_times::RouteTimes;
use ripstop_model::upgrade::Upgrade;
use ripstop_policy::route::{CompileError, NoRoute, RequestHead, RouteTable};
use ripstop_policy::split::WeightedChoice;
use ripstop_policy::timeout::route_timeout;

use super::slot::{ClusterSlot, ClusterSlots};

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
    /// Forward.
    Forward(Box<CompiledForward>),
}

/// A compiled [`Forward`].
pub struct CompiledForward {
    targets: Box<[Arc<ClusterSlot>]>,
    /// `None` where there is only one target.
    choice: Option<WeightedChoice>,
    /// The path condition of the route and what the part that matched becomes.
    pub rewrite: Option<(PathMatch, PathRewrite)>,
    /// What the host becomes.
    pub host_rewrite: Option<HeaderValue>,
    /// From the start of the request to the end of the response; `None`: no limit.
    pub timeout: Option<Duration>,
    /// When and how it is tried again.
    pub retry: Option<RetryPolicy>,
    /// Its other time limits.
    pub times: RouteTimes,
    /// Upgrades that are allowed or forbidden here.
    pub upgrades: Vec<Upgrade>,
}

impl CompiledForward {
    /// The cluster of this request.
    pub fn target(&self, rng: &mut fastrand::Rng) -> &Arc<ClusterSlot> {
        let index = self.choice.as_ref().map_or(0, |choice| choice.pick(rng));
        &self.targets[index]
    }
}

impl CompiledRoutes {
    /// Compiles a configuration. Nothing of it is left to fail on a request.
    pub fn compile(
        config: Arc<RouteConfiguration>,
        slots: &mut ClusterSlots,
    ) -> Result<CompiledRoutes, CompileError> {
        let table = RouteTable::compile(&config)?;
        let routes = config
            .virtual_hosts
            .iter()
            .flat_map(|host| &host.routes)
            .map(|route| CompiledRoute {
                name: Some(route.name.clone()).filter(|name| !name.is_empty()),
                action: match &route.action {
                    RouteAction::DirectResponse(direct) => CompiledAction::Direct {
                        status: StatusCode::from_u16(direct.status).unwrap_or(StatusCode::OK),
                        body: Bytes::copy_from_slice(direct.body.as_bytes()),
                    },
                    RouteAction::Forward(forward) => CompiledAction::Forward(Box::new(compile_forward(
                        forward,
                        &route.matches.path,
                        slots,
                    ))),
                },
            })
            .collect();
        Ok(CompiledRoutes { config, table, routes })
    }

    /// The route that takes a request.
    pub fn find(&self, head: &RequestHead<'_>) -> Result<&CompiledRoute, NoRoute> {
        self.table.find(head).map(|found| &self.routes[found.index])
    }
}

fn compile_forward(forward: &Forward, path: &PathMatch, slots: &mut ClusterSlots) -> CompiledForward {
    let (targets, choice) = match &forward.cluster {
        ClusterChoice::Single(name) => (Box::from([slots.of(name)]), None),
        ClusterChoice::Weighted(shares) => (
            shares.iter().map(|share| slots.of(&share.name)).collect(),
            Some(WeightedChoice::compile(shares)),
        ),
    };
    CompiledForward {
        targets,
        choice,
        rewrite: forward.rewrite.as_ref().map(|rewrite| (path.clone(), rewrite.clone())),
        // A host that is no header value could not have been decoded.
        host_rewrite: forward.host_rewrite.as_deref().and_then(|host| HeaderValue::from_str(host).ok()),
        timeout: route_timeout(forward.timeout),
        retry: forward.retry.clone(),
        times: forward.times,
        upgrades: forward.upgrades.clone(),
    }
}
