//! Rules for connections: which chains a listener of bytes has, and where each leads.

use ripstop_model::chain_match::{FilterChainMatch, ServerName};
use ripstop_model::network_filter::{TcpProxy, Tunneling, WeightedTcpCluster};
use ripstop_model::{FilterChain, Format, Name, NetworkFilter};

use super::place::Place;
use super::{access_log, cluster_policy};
use crate::resource::{L4Destination, L4Match, TrafficPolicy, VirtualService};

/// A chain that carries bytes.
pub(super) fn chain(name: Name, matches: FilterChainMatch, proxy: TcpProxy) -> FilterChain {
    FilterChain { name, matches, ..FilterChain::new(NetworkFilter::Tcp(proxy)) }
}

/// What a policy says of the connections that carry bytes.
pub(super) fn with_policy(proxy: TcpProxy, policy: Option<&TrafficPolicy>) -> TcpProxy {
    let pool = policy.and_then(|policy| policy.connection_pool).unwrap_or_default();
    TcpProxy {
        idle_timeout: pool.tcp_idle_timeout,
        max_duration: pool.max_connection_duration,
        tunneling: policy.and_then(|policy| policy.tunnel.as_ref()).map(|tunnel| {
            Box::new(Tunneling {
                hostname: Format::literal(&tunnel.target),
                // Envoy's path where none is given.
                post_path: tunnel.post.then(|| "/".into()),
                headers: Vec::new(),
            })
        }),
        ..proxy
    }
}

/// The name of a ClientHello as chains ask for it; `None` for `*`, which asks for nothing.
pub(super) fn server_name(pattern: &str) -> Option<ServerName> {
    match pattern.strip_prefix('*') {
        Some("") => None,
        Some(suffix) => Some(ServerName::Suffix(suffix.into())),
        None => Some(ServerName::Exact(pattern.into())),
    }
}

impl Place<'_> {
    /// Bytes to shares of destinations that are written in `namespace`.
    pub(super) fn tcp_proxy(&self, stat_prefix: Name, to: &[L4Destination], namespace: &str) -> TcpProxy {
        let shares = to.iter().filter(|one| one.weight > 0).map(|one| WeightedTcpCluster {
            name: self.cluster(&one.destination, namespace),
            weight: one.weight,
        });
        let mut clusters: Vec<WeightedTcpCluster> = shares.collect();
        if let [only] = clusters.as_mut_slice() {
            only.weight = 1;
        }
        // Several destinations share what is said of connections: by the first, which is as good as any.
        let first = to.first().map(|one| &one.destination);
        let policy = first.and_then(|to| {
            let callee = self.scope.world.callee(&to.host, namespace)?;
            let port = to.port.unwrap_or_else(|| callee.default_port(Some(self.port)));
            cluster_policy::of_destination(&self.scope, callee, port, to.subset.as_deref())
        });
        let proxy = TcpProxy {
            clusters,
            access_logs: access_log::of(&self.scope, false),
            // Its cluster is replaced by the list.
            ..TcpProxy::new(stat_prefix, "")
        };
        with_policy(proxy, policy.as_ref())
    }

    /// The chains that the `tls` rules of `vs` make here: one for each condition that applies.
    pub(super) fn tls_chains(&self, vs: &VirtualService, stat_prefix: &Name) -> Vec<FilterChain> {
        let namespace = vs.meta.namespace();
        let mut chains = Vec::new();
        for (index, rule) in vs.tls.iter().enumerate() {
            for (condition, matched) in rule.matches.iter().enumerate() {
                if !self.applies_to_connections(&matched.connection) {
                    continue;
                }
                let names: Option<Vec<ServerName>> =
                    matched.sni_hosts.iter().map(|host| server_name(host)).collect();
                let matches = FilterChainMatch {
                    server_names: names.unwrap_or_default(),
                    prefix_ranges: matched.connection.destination_subnets.clone(),
                    ..FilterChainMatch::default()
                };
                let name = format!("VirtualService {} tls[{index}] match[{condition}]", vs.meta.key);
                let proxy = self.tcp_proxy(stat_prefix.clone(), &rule.route, namespace);
                chains.push(chain(name.into(), matches, proxy));
            }
        }
        chains
    }

    /// The chains that the `tcp` rules of `vs` make here, under `matches`: up to the first that takes every connection.
    pub(super) fn tcp_chains(
        &self,
        vs: &VirtualService,
        stat_prefix: &Name,
        matches: &FilterChainMatch,
    ) -> Vec<FilterChain> {
        let namespace = vs.meta.namespace();
        let everything = [L4Match::default()];
        let mut chains = Vec::new();
        for (index, rule) in vs.tcp.iter().enumerate() {
            let conditions = if rule.matches.is_empty() { &everything[..] } else { &rule.matches[..] };
            for matched in conditions.iter().filter(|matched| self.applies_to_connections(matched)) {
                let matches = FilterChainMatch {
                    prefix_ranges: matched.destination_subnets.clone(),
                    ..matches.clone()
                };
                let name = format!("VirtualService {} tcp[{index}]", vs.meta.key);
                let proxy = self.tcp_proxy(stat_prefix.clone(), &rule.route, namespace);
                chains.push(chain(name.into(), matches, proxy));
                if matched.destination_subnets.is_empty() {
                    return chains;
                }
            }
        }
        chains
    }
}

/// The chains with a condition that no earlier one has; a proxy refuses a listener with two alike.
pub(super) fn without_twins(chains: Vec<FilterChain>) -> Vec<FilterChain> {
    let mut kept: Vec<FilterChain> = Vec::with_capacity(chains.len());
    for mut chain in chains {
        let asked_for_names = !chain.matches.server_names.is_empty();
        for other in &kept {
            let alike = FilterChainMatch { server_names: Vec::new(), ..other.matches.clone() }
                == FilterChainMatch { server_names: Vec::new(), ..chain.matches.clone() };
            if alike {
                chain.matches.server_names.retain(|name| !other.matches.server_names.contains(name));
            }
        }
        let nothing_left = asked_for_names && chain.matches.server_names.is_empty();
        if !nothing_left && !kept.iter().any(|other| other.matches == chain.matches) {
            kept.push(chain);
        }
    }
    kept
}
