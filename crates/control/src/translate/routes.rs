//! Rules of a virtual service as routes, and the plain route of a host that none routes. Conditions are
//! [`super::route_match`], retries [`super::retries`].

use std::time::Duration;

use ripstop_model::http_filter::{FilterOverride, FilterOverrides, HttpFilter};
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_model::route::{
    ClusterChoice, ClusterSplit, DirectResponse, Forward, HashPolicy, HeaderMutations, HostRewrite,
    PathRewrite, Redirect, RedirectPath, RedirectScheme, RouteAction, RouteMatch, WeightedCluster,
};
use ripstop_model::runtime::RuntimeFraction;
use ripstop_model::{Percent, Route};

use super::place::Place;
use super::retries::retry_policy;
use super::route_match::route_match;
use super::{cluster_policy, names};
use crate::resource::{
    BalancerChoice, HttpAction, HttpRedirect, HttpRoute, Mirror, RedirectPort, RouteDestination, UriRewrite,
    VirtualService,
};
use crate::world::{Callee, HttpRule, Scope};

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

impl Place<'_> {
    /// The rules of `vs` that apply here, in order; one with several conditions becomes several routes.
    pub(super) fn routes(&self, vs: &VirtualService) -> Vec<Route> {
        let mut routes = Vec::new();
        for found in self.scope.world.http_rules(vs) {
            let rule = &*found.rule;
            // Rules that delegate have been replaced by those of the delegate.
            let Some(action) = self.action(&found) else { continue };
            let headers = changed(&rule.headers.mutations);
            let filters = said_to_filters(rule);
            let route = |condition, matches| Route {
                name: names::rule(&found, condition),
                headers: headers.clone(),
                filters: filters.clone(),
                ..Route::new(matches, action.clone())
            };
            if rule.matches.is_empty() {
                routes.push(route(None, RouteMatch::prefix("/")));
                continue;
            }
            let several = rule.matches.len() > 1;
            for (condition, matched) in rule.matches.iter().enumerate().filter(|(_, m)| self.applies(m)) {
                routes.push(route(several.then_some(condition), route_match(matched)));
            }
        }
        routes
    }

    fn action(&self, found: &HttpRule<'_>) -> Option<RouteAction> {
        let rule = &*found.rule;
        let namespace = found.document.meta.namespace();
        Some(match &rule.action {
            HttpAction::Delegate(_) => return None,
            HttpAction::Respond { status, body } => {
                RouteAction::DirectResponse(DirectResponse::new(*status, body))
            }
            HttpAction::Redirect(redirect) => RouteAction::Redirect(Box::new(self.redirect(redirect))),
            HttpAction::Route(destinations) => {
                RouteAction::Forward(Box::new(self.forward(rule, destinations, namespace)))
            }
        })
    }

    fn forward(&self, rule: &HttpRoute, destinations: &[RouteDestination], namespace: &str) -> Forward {
        // Several destinations share a clock: that of the first, which is as good as any.
        let first = destinations.iter().find(|one| one.weight > 0);
        let first = first.and_then(|one| self.scope.world.callee(&one.destination.host, namespace));
        let defaults = first.map(|callee| self.scope.world.defaults_of(callee)).unwrap_or_default();
        let retries = rule.retries.as_ref().or(defaults.retries.as_ref());
        let host = rule.rewrite.authority.clone().or_else(|| rule.headers.authority.clone());
        let mut forward = Forward {
            rewrite: rule.rewrite.uri.as_ref().map(|rewrite| match rewrite {
                UriRewrite::Prefix(prefix) => PathRewrite::Prefix(prefix.clone()),
                UriRewrite::Regex(regex) => PathRewrite::Regex(regex.clone()),
            }),
            host_rewrite: host.map(HostRewrite::Literal),
            timeout: Some(rule.timeout.or(defaults.timeout).unwrap_or(Duration::ZERO)),
            retry: retry_policy(retries),
            mirrors: rule.mirrors.iter().map(|mirror| self.mirror(mirror, namespace)).collect(),
            ..Forward::by(self.choice(destinations, namespace))
        };
        for one in destinations.iter().filter(|one| one.weight > 0) {
            let Some(callee) = self.scope.world.callee(&one.destination.host, namespace) else { continue };
            let port = one.destination.port.unwrap_or_else(|| callee.default_port(Some(self.port)));
            let hash = hash_policy(&self.scope, callee, port, one.destination.subset.as_deref());
            forward.hash.extend(hash.filter(|hash| !forward.hash.contains(hash)));
        }
        forward
    }

    fn choice(&self, destinations: &[RouteDestination], namespace: &str) -> ClusterChoice {
        let shares = destinations.iter().filter(|one| one.weight > 0);
        let mut shares: Vec<WeightedCluster> = shares
            .map(|one| WeightedCluster {
                host_rewrite: one.headers.authority.clone(),
                headers: changed(&one.headers.mutations),
                ..WeightedCluster::new(self.cluster(&one.destination, namespace), one.weight)
            })
            .collect();
        match shares.as_slice() {
            [only] if only.headers.is_none() && only.host_rewrite.is_none() => {
                ClusterChoice::Single(shares.swap_remove(0).name)
            }
            _ => ClusterChoice::Weighted(ClusterSplit::random(shares)),
        }
    }

    fn mirror(&self, mirror: &Mirror, namespace: &str) -> RequestMirror {
        RequestMirror {
            target: MirrorTarget::Cluster(self.cluster(&mirror.destination, namespace)),
            share: (mirror.share != Percent::ALL).then(|| RuntimeFraction::fixed(mirror.share)),
            shadow_suffix: true,
            host: None,
        }
    }

    fn redirect(&self, redirect: &HttpRedirect) -> Redirect {
        let tls = redirect.scheme.as_deref().map_or(self.tls, |scheme| scheme == "https");
        let of_protocol = if tls { HTTPS_PORT } else { HTTP_PORT };
        let port = match redirect.port {
            RedirectPort::Unchanged => None,
            RedirectPort::Number(port) => Some(port),
            RedirectPort::OfProtocol => Some(of_protocol),
            RedirectPort::OfRequest => Some(self.port).filter(|port| *port != of_protocol),
        };
        Redirect {
            scheme: redirect.scheme.as_ref().map(|scheme| match &**scheme {
                "https" => RedirectScheme::Https,
                _ => RedirectScheme::Named(scheme.clone()),
            }),
            host: redirect.authority.clone(),
            port: port.map(u32::from),
            path: redirect.uri.clone().map(RedirectPath::Whole),
            status: redirect.status,
            strip_query: false,
        }
    }
}

/// What a rule wants of the filters for faults and for CORS.
fn said_to_filters(rule: &HttpRoute) -> FilterOverrides {
    let cors = rule.cors.clone().map(|cors| (HttpFilter::CORS.into(), FilterOverride::Cors(cors)));
    let fault = rule.fault.clone().map(|fault| (HttpFilter::FAULT.into(), FilterOverride::Fault(fault)));
    cors.into_iter().chain(fault).collect()
}

fn changed(mutations: &HeaderMutations) -> Option<Box<HeaderMutations>> {
    (!mutations.is_empty()).then(|| Box::new(mutations.clone()))
}

/// What decides where a request goes, if the rule for a destination wants that equal requests stay together.
fn hash_policy(scope: &Scope<'_>, callee: &Callee, port: u16, subset: Option<&str>) -> Option<HashPolicy> {
    match cluster_policy::of_destination(scope, callee, port, subset)?.load_balancer?.choice {
        BalancerChoice::Hash { source, .. } => Some(HashPolicy { source, terminal: false }),
        _ => None,
    }
}

/// Everything to the host itself.
pub(super) fn plain(scope: &Scope<'_>, callee: &Callee, port: u16) -> Vec<Route> {
    let defaults = scope.world.defaults_of(callee);
    let forward = Forward {
        timeout: Some(defaults.timeout.unwrap_or(Duration::ZERO)),
        retry: retry_policy(defaults.retries.as_ref()),
        hash: hash_policy(scope, callee, port, None).into_iter().collect(),
        ..Forward::to(names::outbound_cluster(port, None, &callee.host))
    };
    vec![Route {
        name: names::plain_route(callee, port),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(forward)))
    }]
}
