//! Rules of a virtual service as routes, and the plain route of a service that none routes.

use std::time::Duration;

use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch};
use ripstop_model::route::{
    Backoff, ClusterChoice, ClusterSplit, DirectResponse, Forward, HostRewrite, PathMatch, PathRewrite,
    RetryOn, RetryPolicy, RouteAction, RouteMatch, WeightedCluster,
};
use ripstop_model::{Name, Route};

use super::names;
use crate::resource::{
    Destination, GatewayRef, HttpAction, HttpMatch, HttpRoute, Retries, RouteDestination, Service, TextMatch,
    VirtualService, Workload,
};
use crate::world::{World, host};

/// What Istio retries on where nobody says.
const DEFAULT_RETRY_ON: RetryOn = RetryOn::CONNECT_FAILURE
    .and(RetryOn::REFUSED_STREAM)
    .and(RetryOn::GRPC_UNAVAILABLE)
    .and(RetryOn::GRPC_CANCELLED);
/// How often Istio retries where nobody says.
const DEFAULT_ATTEMPTS: u32 = 2;
/// How often Istio looks for a host that has not been tried.
const HOST_SELECTION_ATTEMPTS: u32 = 5;
/// The longest back-off as a multiple of the shortest, as in Envoy.
const MAX_BACKOFF_FACTOR: u32 = 10;

/// Where rules are applied.
pub(super) struct Place<'a> {
    pub(super) world: &'a World,
    /// The workload whose proxy applies them.
    pub(super) viewer: &'a Workload,
    /// Sidecars, or the proxies of a gateway.
    pub(super) gateway: GatewayRef,
    /// Port that callers address.
    pub(super) port: u16,
}

impl Place<'_> {
    /// The rules of `vs` that apply here, in order; one with several conditions becomes several routes.
    pub(super) fn routes(&self, vs: &VirtualService) -> Vec<Route> {
        let mut routes = Vec::new();
        for (index, rule) in vs.http.iter().enumerate() {
            let name = |condition| names::rule(vs, index, rule.name.as_deref(), condition);
            let action = self.action(vs, index, rule);
            if rule.matches.is_empty() {
                routes.push(Route { name: name(None), ..Route::new(RouteMatch::prefix("/"), action) });
                continue;
            }
            for (condition, matched) in rule.matches.iter().enumerate().filter(|(_, m)| self.applies(m)) {
                let several = (rule.matches.len() > 1).then_some(condition);
                let (matches, action) = (route_match(matched), action.clone());
                routes.push(Route { name: name(several), ..Route::new(matches, action) });
            }
        }
        routes
    }

    /// Whether the conditions that do not depend on the request hold here.
    fn applies(&self, matched: &HttpMatch) -> bool {
        let is_sidecar = self.gateway == GatewayRef::Mesh;
        let from = &self.viewer.meta;
        (matched.gateways.is_empty() || matched.gateways.contains(&self.gateway))
            && matched.port.is_none_or(|port| port == self.port)
            && (!is_sidecar || from.has_labels(&matched.source_labels))
            && matched.source_namespace.as_ref().is_none_or(|namespace| namespace == from.namespace())
    }

    fn action(&self, vs: &VirtualService, index: usize, rule: &HttpRoute) -> RouteAction {
        let respond = |status, body: &str| RouteAction::DirectResponse(DirectResponse::new(status, body));
        match &rule.action {
            HttpAction::Respond { status, body } => respond(*status, body),
            HttpAction::NotInForce(field) => {
                let body = format!("VirtualService {} http[{index}]: {field} is not in force\n", vs.meta.key);
                respond(501, &body)
            }
            HttpAction::Route(destinations) => RouteAction::Forward(Box::new(Forward {
                rewrite: rule.rewrite.uri.clone().map(PathRewrite::Prefix),
                host_rewrite: rule.rewrite.authority.clone().map(HostRewrite::Literal),
                timeout: Some(rule.timeout.unwrap_or(Duration::ZERO)),
                retry: retry_policy(rule.retries.as_ref()),
                ..Forward::by(self.choice(vs, destinations))
            })),
        }
    }

    fn choice(&self, vs: &VirtualService, destinations: &[RouteDestination]) -> ClusterChoice {
        let namespace = vs.meta.namespace();
        let shares = destinations.iter().filter(|one| one.weight > 0);
        let mut shares: Vec<WeightedCluster> = shares
            .map(|one| WeightedCluster::new(self.cluster(&one.destination, namespace), one.weight))
            .collect();
        match shares.len() {
            1 => ClusterChoice::Single(shares.swap_remove(0).name),
            _ => ClusterChoice::Weighted(ClusterSplit::random(shares)),
        }
    }

    fn cluster(&self, to: &Destination, namespace: &str) -> Name {
        let service = self.world.service_named(&to.host, namespace);
        let port = to.port.or_else(|| service.map(|service| default_port(service, Some(self.port))));
        let full_name = self.world.full_name(&to.host, namespace);
        names::outbound_cluster(port.unwrap_or(self.port), to.subset.as_deref(), &full_name)
    }
}

/// The port that is meant where none is named: the only one, the one that the caller addressed, 80, or the first.
pub(super) fn default_port(service: &Service, addressed: Option<u16>) -> u16 {
    let wanted = [addressed, Some(80)].into_iter().flatten().find(|port| service.port(*port).is_some());
    match service.ports.as_slice() {
        [only] => only.port,
        ports => wanted.or_else(|| ports.first().map(|port| port.port)).unwrap_or(80),
    }
}

/// Everything to the service itself.
pub(super) fn plain(service: &Service, port: u16) -> Vec<Route> {
    let cluster = names::outbound_cluster(port, None, &host::full_name(&service.meta.key));
    let forward =
        Forward { timeout: Some(Duration::ZERO), retry: retry_policy(None), ..Forward::to(cluster) };
    vec![Route {
        name: format!("Service {} port {port}", service.meta.key).into(),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(forward)))
    }]
}

fn retry_policy(retries: Option<&Retries>) -> Option<RetryPolicy> {
    let Some(retries) = retries else {
        return Some(RetryPolicy {
            num_retries: DEFAULT_ATTEMPTS,
            avoid_previous_hosts: true,
            host_selection_attempts: HOST_SELECTION_ATTEMPTS,
            ..RetryPolicy::on(DEFAULT_RETRY_ON)
        });
    };
    if retries.attempts == 0 {
        return None;
    }
    let backoff = retries.backoff.map(|base| Backoff { base, max: base.saturating_mul(MAX_BACKOFF_FACTOR) });
    Some(RetryPolicy {
        num_retries: retries.attempts,
        per_try_timeout: retries.per_try_timeout,
        backoff: backoff.unwrap_or_default(),
        avoid_previous_hosts: !retries.ignore_previous_hosts,
        host_selection_attempts: if retries.ignore_previous_hosts { 1 } else { HOST_SELECTION_ATTEMPTS },
        retriable_statuses: retries.statuses.clone(),
        ..RetryPolicy::on(retries.on.unwrap_or(DEFAULT_RETRY_ON))
    })
}

fn route_match(matched: &HttpMatch) -> RouteMatch {
    let path = match &matched.uri {
        None => PathMatch::Prefix("/".into()),
        Some(TextMatch::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(TextMatch::Exact(path)) => PathMatch::Exact(path.clone()),
        Some(TextMatch::Regex(regex)) => PathMatch::Regex(regex.clone()),
    };
    let pseudo =
        [(":scheme", &matched.scheme), (":method", &matched.method), (":authority", &matched.authority)];
    let pseudo = pseudo.into_iter().filter_map(|(name, text)| Some(with_value(name.into(), text.as_ref()?)));
    let headers = matched.headers.iter().map(|(name, text)| with(name.clone(), text.as_ref()));
    let without = matched.without_headers.iter().map(|(name, text)| without(name.clone(), text.as_ref()));
    let query = matched.query.iter().map(|(name, text)| QueryMatch {
        name: name.clone(),
        value: match text {
            Some(text) => QueryValueMatch::String(text.to_model()),
            None => QueryValueMatch::Present(true),
        },
    });
    RouteMatch {
        case_sensitive: !matched.ignore_uri_case,
        headers: pseudo.chain(headers).chain(without).collect(),
        query: query.collect(),
        ..RouteMatch::path(path)
    }
}

fn header(name: Name, value: HeaderValueMatch) -> HeaderMatch {
    HeaderMatch { name, value, invert: false, treat_missing_as_empty: false }
}

fn with_value(name: Name, text: &TextMatch) -> HeaderMatch {
    header(name, HeaderValueMatch::String(text.to_model()))
}

fn with(name: Name, text: Option<&TextMatch>) -> HeaderMatch {
    match text {
        Some(text) => with_value(name, text),
        None => header(name, HeaderValueMatch::Present(true)),
    }
}

/// A header that is not there does not have the value either.
fn without(name: Name, text: Option<&TextMatch>) -> HeaderMatch {
    match text {
        Some(text) => HeaderMatch { invert: true, treat_missing_as_empty: true, ..with_value(name, text) },
        None => header(name, HeaderValueMatch::Present(false)),
    }
}
