//! Ports of what can be called, and subsets of it, as clusters with their endpoints: those that a proxy needs, host by host.
//! What a policy becomes is [`super::cluster_policy`]; who shares what is made here is [`super::pieces`].

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use ripstop_model::cluster::{DnsDiscovery, DnsFamily, DnsKind};
use ripstop_model::http2::Http2Options;
use ripstop_model::tls::TransportSocket;
use ripstop_model::upstream_http::UpstreamHttp;
use ripstop_model::{Cluster, ClusterLoadAssignment, Discovery, Name};
use ripstop_yaml::Problem;

use super::locality::Group;
use super::{client_tls, cluster_policy, endpoints, locality, mtls, names};
use crate::resource::{
    ClientTlsMode, DestinationRule, Labels, Resolution, ServicePort, Subset, TrafficPolicy,
};
use crate::world::{Callee, Member, Scope};

/// A cluster of a host.
pub(super) struct Piece {
    pub(super) cluster: Cluster,
    /// Where they come from us.
    pub(super) endpoints: Option<ClusterLoadAssignment>,
    /// Which port of what can be called it is of: of the pieces of one port, in their order, the first warning stands for
    /// all.
    pub(super) of: (usize, usize),
    /// What could not be said as it was meant.
    pub(super) warnings: Vec<Problem>,
}

/// The clusters of `host` that are `wanted`, for the proxy that `scope` is about. It depends on nothing of that proxy but its
/// namespace, its locality and those of its labels that anybody looks at.
pub(super) fn of_host(scope: &Scope<'_>, host: &str, wanted: &BTreeSet<Name>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut made = BTreeSet::new();
    let callees = scope.world.callees_at(host).iter().enumerate();
    for (place, callee) in callees.filter(|(_, callee)| callee.is_visible_to(scope.namespace())) {
        for (number, port) in callee.ports.iter().enumerate() {
            // Nothing of a port that nobody asks for, not even its rule, is looked at.
            if !wanted.iter().any(|name| names::is_of(name, port.port, &callee.host)) {
                continue;
            }
            let rule: Option<&DestinationRule> = scope.destination_rule(callee).map(|rule| &**rule);
            let defaults = scope.world.defaults_of(callee).policy();
            let whole = rule.map(|rule| rule.policy.for_port(port.port)).unwrap_or_default();
            let whole = whole.over(&defaults, port.port);
            let one = One { scope, callee, port, of: (place, number) };
            let name = names::outbound_cluster(port.port, None, &callee.host);
            if wanted.contains(&name) && made.insert(name.clone()) {
                pieces.push(one.make(name, None, &whole));
            }
            for subset in rule.map(|rule| rule.subsets.as_slice()).unwrap_or_default() {
                let name = names::outbound_cluster(port.port, Some(&subset.name), &callee.host);
                if wanted.contains(&name) && made.insert(name.clone()) {
                    let policy = subset.policy.over(&whole, port.port);
                    pieces.push(one.make(name, Some(subset), &policy));
                }
            }
        }
    }
    pieces
}

struct One<'a> {
    scope: &'a Scope<'a>,
    callee: &'a Callee,
    port: &'a ServicePort,
    of: (usize, usize),
}

impl One<'_> {
    fn make(&self, name: Name, subset: Option<&Subset>, policy: &TrafficPolicy) -> Piece {
        let One { scope, callee, port, of } = *self;
        let all = scope.world.members(callee, port);
        let identities = mtls::identities(&all);
        let chosen: Vec<Member<'_>> = match subset {
            Some(subset) => {
                all.into_iter().filter(|member| belongs(callee, member, &subset.labels)).collect()
            }
            None => all,
        };
        let reach = mtls::reach(callee, port, chosen, policy.tls.as_ref().map(|tls| tls.mode));
        let mut warnings: Vec<Problem> = reach.warning.into_iter().collect();
        let mut transport = if reach.mtls {
            let subset_name = subset.map(|subset| &*subset.name);
            let server_name = policy.tls.as_ref().and_then(|tls| tls.sni.clone());
            let server_name =
                server_name.unwrap_or_else(|| names::server_name(port.port, subset_name, &callee.host));
            TransportSocket::tls(mtls::client(port.protocol, identities, server_name))
        } else {
            self.transport(policy, &mut warnings)
        };
        transport.proxy_protocol = policy.proxy_protocol;
        let pool = policy.connection_pool.unwrap_or_default();
        let setting = policy.load_balancer.as_ref().and_then(|balancer| balancer.locality.as_ref());
        let (groups, weighted) =
            locality::groups(scope.viewer, reach.members, setting, policy.outlier.is_some());
        let mut lb = cluster_policy::balancing(policy);
        if weighted {
            lb.locality = ripstop_model::load_balancing::LocalityBalancing::Weighted;
        }
        let (discovery, endpoints) = self.discovery(&name, groups);
        let cluster = Cluster {
            lb,
            connect_timeout: pool.connect_timeout.unwrap_or(cluster_policy::DEFAULT_CONNECT_TIMEOUT),
            transport,
            protocol: cluster_policy::protocol(port.protocol, &pool, reach.mtls),
            http: UpstreamHttp {
                http2: Http2Options {
                    max_concurrent_streams: pool.max_concurrent_streams,
                    ..Http2Options::default()
                },
                ..UpstreamHttp::default()
            },
            limits: cluster_policy::limits(&pool, policy.retry_budget),
            outlier: policy.outlier.as_ref().map(cluster_policy::outlier),
            connection: cluster_policy::connection(&pool),
            max_requests_per_connection: pool.max_requests_per_connection.and_then(NonZeroU32::new),
            idle_timeout: pool.idle_timeout,
            ..Cluster::new(name, discovery)
        };
        Piece { cluster, endpoints, of, warnings }
    }

    /// Plaintext, or TLS that a rule describes.
    fn transport(&self, policy: &TrafficPolicy, warnings: &mut Vec<Problem>) -> TransportSocket {
        let Some(settings) = &policy.tls else { return TransportSocket::default() };
        if !matches!(settings.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
            return TransportSocket::default();
        }
        match client_tls::context(self.scope, settings, self.callee) {
            Ok(tls) => TransportSocket::tls(tls),
            Err(reason) => {
                // Plaintext instead of TLS would be worse than no answer: the mesh's own TLS never succeeds there.
                let message = format!("{reason}; {} cannot be reached", self.callee);
                warnings.push(settings.origin.warning(message).with_code("unknown-credential"));
                let name = names::server_name(self.port.port, None, &self.callee.host);
                TransportSocket::tls(mtls::client(self.port.protocol, Vec::new(), name))
            }
        }
    }

    /// Where the endpoints come from: an entry may leave that to DNS.
    fn discovery(&self, name: &Name, groups: Vec<Group<'_>>) -> (Discovery, Option<ClusterLoadAssignment>) {
        let eds = Discovery::Eds { service_name: None };
        let kind = match self.callee.entry().map(|entry| entry.resolution) {
            None | Some(Resolution::Static) => return (eds, Some(endpoints::assignment(name, groups))),
            Some(Resolution::Dns | Resolution::None) => DnsKind::Strict,
            Some(Resolution::DnsRoundRobin) => DnsKind::Logical,
        };
        let hosts = endpoints::names(name, groups);
        if hosts.endpoints().next().is_none() {
            return (eds, Some(endpoints::none(name)));
        }
        let dns = DnsDiscovery {
            family: DnsFamily::V4Preferred,
            respect_ttl: true,
            ..DnsDiscovery::new(kind, hosts)
        };
        (Discovery::Dns(Box::new(dns)), None)
    }
}

/// Whether a member belongs to a subset. What DNS or an entry without endpoints is reached by has no labels: there a subset
/// only has other policies, as in Istio.
fn belongs(callee: &Callee, member: &Member<'_>, labels: &Labels) -> bool {
    let nameless = callee.entry().is_some_and(|entry| entry.endpoints.is_empty() && entry.selector.is_none());
    nameless || member.has_labels(labels)
}
