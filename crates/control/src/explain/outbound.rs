//! What the first proxy decides: listener, virtual host, route, and where a request goes from there.

use ripstop_model::http_manager::RouteSource;
use ripstop_model::listener::{Listener, TrafficDirection};
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_model::route::{
    ClusterChoice, Forward, HostRewrite, RetryPolicy, RouteAction, SplitBy, WeightedCluster,
};
use ripstop_model::{
    Address, HttpConnectionManager, Name, NetworkFilter, Route, RouteConfiguration, Snapshot, VirtualHost,
};
use ripstop_policy::redirect::{Redirector, RequestUrl};
use ripstop_policy::rewrite::PathRewriter;
use ripstop_policy::route::{NoRoute, RequestHead, RouteTable, Trace};
use ripstop_policy::runtime::Runtime;
use ripstop_policy::sanitise::path::{PathDecision, PathSteps};
use ripstop_policy::timeout::route_timeout;

use super::target::Targets;
use super::{Decision, Explanation, Forwarding, Question, RetryFacts, Routing, Tried, Unexplained, describe};
use crate::provenance;
use crate::translate::{ProxyRef, UnknownProxy, names};
use crate::world::World;

/// Follows a request through the proxy that it comes to first.
pub(super) fn explain(
    world: &World,
    proxy: &ProxyRef,
    snapshot: &Snapshot,
    question: &Question,
) -> Result<Explanation, Unexplained> {
    let instance = world.instance(&proxy.workload_key());
    let instance = instance.ok_or_else(|| UnknownProxy::NoWorkload(proxy.clone()))?;
    let listener = listener(proxy, snapshot, question)?;
    let filter = listener.chains().next().map(|chain| &chain.filter);
    let through = Through { world, proxy, snapshot, question };
    let (routing, decision) = match filter {
        Some(NetworkFilter::Http(manager)) => through.manager(manager),
        Some(NetworkFilter::Tcp(tcp)) => {
            let shares: Vec<(&Name, u32)> = tcp.clusters.iter().map(|one| (&one.name, one.weight)).collect();
            let targets = through.targets().of(&shares);
            let forwarding = Forwarding {
                path: None,
                host: None,
                timeout: None,
                retries: None,
                targets,
                mirrors: Vec::new(),
            };
            (None, Decision::Forward(Box::new(forwarding)))
        }
        _ => (None, answer(0, "the listener serves the connection itself")),
    };
    Ok(Explanation {
        proxy: proxy.clone(),
        identity: instance.identity.clone(),
        listener: listener.name.clone(),
        listener_place: provenance::of_listener(world, proxy, listener),
        routing,
        decision,
    })
}

/// The listener with the port that is named; else the one that routes by host; else that of the port in the host; else the
/// only one.
fn listener<'a>(
    proxy: &ProxyRef,
    snapshot: &'a Snapshot,
    question: &Question,
) -> Result<&'a Listener, Unexplained> {
    let outbound: Vec<&Listener> = snapshot
        .listeners
        .values()
        .map(|listener| &**listener)
        .filter(|listener| listener.direction != TrafficDirection::Inbound)
        .collect();
    let of_port = |port: u16| outbound.iter().copied().find(|listener| port_of(listener) == Some(port));
    let in_host = question.authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let found = match question.listener_port {
        Some(port) => of_port(port),
        None => outbound
            .iter()
            .copied()
            .find(|listener| routes_of(listener).is_some_and(|name| &**name == names::OUTBOUND_ROUTES))
            .or_else(|| of_port(in_host?))
            .or(if let [only] = outbound.as_slice() { Some(*only) } else { None }),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = outbound.iter().map(|listener| listener.name.to_string()).collect();
        let listeners = match known.as_slice() {
            [] => "it takes nothing that its application sends".to_owned(),
            known => format!("those for outgoing requests are {}", known.join(", ")),
        };
        Unexplained::NoListener { proxy: proxy.clone(), listeners }
    })
}

fn port_of(listener: &Listener) -> Option<u16> {
    match &listener.address.address {
        Address::Socket(address) => Some(address.port()),
        _ => None,
    }
}

fn routes_of(listener: &Listener) -> Option<&Name> {
    listener.chains().find_map(|chain| match &chain.filter {
        NetworkFilter::Http(manager) => manager.routes.name(),
        _ => None,
    })
}

/// A request on its way through a proxy.
struct Through<'a> {
    world: &'a World,
    proxy: &'a ProxyRef,
    snapshot: &'a Snapshot,
    question: &'a Question,
}

impl<'a> Through<'a> {
    fn targets(&self) -> Targets<'a> {
        Targets { world: self.world, snapshot: self.snapshot, proxy: self.proxy }
    }

    fn manager(&self, manager: &'a HttpConnectionManager) -> (Option<Routing>, Decision) {
        let path = match one_form(manager, &self.question.path) {
            Ok(path) => path,
            Err(decision) => return (None, decision),
        };
        let config = match &manager.routes {
            RouteSource::Inline(config) => config,
            RouteSource::Rds(name) | RouteSource::File { name, .. } => match self.snapshot.routes.get(name) {
                Some(config) => config,
                None => return (None, answer(404, "its route configuration is not there")),
            },
        };
        let table = match RouteTable::compile(config, &Runtime::default()) {
            Ok(table) => table,
            Err(error) => return (None, answer(404, &format!("its routes cannot be used: {error}"))),
        };
        let mut headers = self.question.headers.clone();
        if let Ok(scheme) = self.question.scheme.parse() {
            headers.insert("x-forwarded-proto", scheme);
        }
        let head = RequestHead {
            method: &self.question.method,
            scheme: &self.question.scheme,
            ..RequestHead::get(&self.question.authority, &path, &headers)
        };
        let trace = table.trace(&head);
        let decision = self.decide(config, &trace, &path);
        (Some(self.routing(config, &trace, &head, path.clone())), decision)
    }

    fn routing(
        &self,
        config: &RouteConfiguration,
        trace: &Trace,
        head: &RequestHead<'_>,
        path: String,
    ) -> Routing {
        let host = trace.virtual_host.and_then(|position| config.virtual_hosts.get(position));
        let routes = host.map(|host| host.routes.as_slice()).unwrap_or_default();
        let place = |route: &Route| provenance::of_route(self.world, &route.name);
        let passed = routes.iter().zip(&trace.passed_over).map(|(route, mismatch)| Tried {
            name: route.name.clone(),
            why_not: Some(describe::mismatch(&route.matches, *mismatch, head)),
            place: place(route),
        });
        let taken = trace.found.ok().and_then(|found| routes.get(found.route));
        let taken = taken.map(|route| Tried { name: route.name.clone(), why_not: None, place: place(route) });
        Routing {
            configuration: config.name.clone(),
            path,
            virtual_host: host.map(|host| (host.name.clone(), host.domains.clone())),
            routes: passed.chain(taken).collect(),
        }
    }

    fn decide(&self, config: &RouteConfiguration, trace: &Trace, path: &str) -> Decision {
        let found = match trace.found {
            Ok(found) => found,
            Err(NoRoute::TlsRequired(_)) => {
                let location = Redirector::to_https(self.url(path));
                let why = "the virtual host wants TLS".to_owned();
                return Decision::Answer { status: 301, why, location: Some(location) };
            }
            Err(error) => return answer(404, &error.to_string()),
        };
        let host = &config.virtual_hosts[found.virtual_host];
        let route = &host.routes[found.route];
        match &route.action {
            RouteAction::DirectResponse(direct) => {
                let body = String::from_utf8_lossy(&direct.body);
                let why = match body.trim() {
                    "" => "the route answers itself".to_owned(),
                    body => format!("the route answers itself: {}", &body[..body.floor_char_boundary(200)]),
                };
                answer(direct.status, &why)
            }
            RouteAction::Redirect(redirect) => match Redirector::compile(redirect, &route.matches.path) {
                Ok(redirector) => Decision::Answer {
                    status: redirect.status.code(),
                    why: "the route sends the client elsewhere".to_owned(),
                    location: Some(redirector.location(self.url(path))),
                },
                Err(error) => answer(500, &error.to_string()),
            },
            RouteAction::NonForwarding => {
                answer(404, "the route is for something that this proxy does not have")
            }
            RouteAction::Forward(forward) => self.forward(config, host, route, forward, path),
        }
    }

    fn forward(
        &self,
        config: &RouteConfiguration,
        host: &VirtualHost,
        route: &Route,
        forward: &Forward,
        path: &str,
    ) -> Decision {
        let rewriter =
            forward.rewrite.as_ref().map(|rewrite| PathRewriter::compile(&route.matches.path, rewrite));
        let rewritten = rewriter.and_then(Result::ok).and_then(|rewriter| rewriter.rewrite(path));
        let shares = self.shares(&forward.cluster);
        let mirrors = [&forward.mirrors, &host.mirrors, &config.mirrors];
        let mirrors = mirrors.into_iter().find(|mirrors| !mirrors.is_empty());
        let retry = forward.retry.as_ref().or(host.retry.as_ref());
        Decision::Forward(Box::new(Forwarding {
            path: Some(rewritten.unwrap_or_else(|| path.to_owned())),
            host: forward.host_rewrite.as_ref().map(host_rewrite),
            timeout: route_timeout(forward.timeout),
            retries: retry.map(|retry| self.retries(retry)),
            targets: self.targets().of(&shares),
            mirrors: mirrors.into_iter().flatten().filter_map(mirrored_to).collect(),
        }))
    }

    fn shares<'c>(&self, choice: &'c ClusterChoice) -> Vec<(&'c Name, u32)> {
        let share = |one: &'c WeightedCluster| (&one.name, one.weight);
        match choice {
            ClusterChoice::Single(name) => vec![(name, 1)],
            // The header names it at the time; what it names is a cluster or nothing.
            ClusterChoice::Header(_) => Vec::new(),
            ClusterChoice::Weighted(split) => {
                let number = match &split.by {
                    SplitBy::Header(name) => self.question.headers.get(&**name),
                    SplitBy::Dice | SplitBy::Hash => None,
                };
                let number = number.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                match number {
                    Some(number) => {
                        let taken =
                            ripstop_policy::split::WeightedChoice::compile(&split.shares).pick_by(number);
                        split.shares.get(taken).map(|one| (&one.name, 1)).into_iter().collect()
                    }
                    None => split.shares.iter().map(share).collect(),
                }
            }
        }
    }

    fn retries(&self, policy: &RetryPolicy) -> RetryFacts {
        let method = &*self.question.method;
        let idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&method);
        RetryFacts {
            attempts: policy.num_retries,
            on: policy.on.words().collect(),
            per_try_timeout: policy.per_try_timeout.filter(|limit| !limit.is_zero()),
            repeats_processed: policy.any_method
                || idempotent
                || self.question.headers.contains_key("idempotency-key"),
        }
    }

    fn url<'u>(&'u self, path: &'u str) -> RequestUrl<'u> {
        RequestUrl {
            scheme: &self.question.scheme,
            forwarded_proto: &self.question.scheme,
            authority: &self.question.authority,
            path_and_query: path,
        }
    }
}

/// The path as routes see it, or what is answered to one that is refused.
fn one_form(manager: &HttpConnectionManager, path: &str) -> Result<String, Decision> {
    let steps = PathSteps {
        escaped_slashes: manager.paths.escaped_slashes,
        normalize: manager.paths.normalize.unwrap_or(false),
        merge_slashes: manager.paths.merge_slashes,
    };
    match steps.decide(path) {
        PathDecision::Same => Ok(path.to_owned()),
        PathDecision::Changed(path) => Ok(path),
        PathDecision::Redirect(location) => {
            let why = "the path has escaped slashes".to_owned();
            Err(Decision::Answer { status: 307, why, location: Some(location) })
        }
        PathDecision::Reject(_) => Err(answer(400, "the path is not well-formed")),
    }
}

fn answer(status: u16, why: &str) -> Decision {
    Decision::Answer { status, why: why.to_owned(), location: None }
}

fn mirrored_to(mirror: &RequestMirror) -> Option<Name> {
    match &mirror.target {
        MirrorTarget::Cluster(name) => Some(name.clone()),
        MirrorTarget::Header(_) => None,
    }
}

fn host_rewrite(rewrite: &HostRewrite) -> String {
    match rewrite {
        HostRewrite::Literal(host) => host.to_string(),
        _ => "as the route computes it".to_owned(),
    }
}
