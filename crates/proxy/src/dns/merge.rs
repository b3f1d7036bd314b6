//! Names of a snapshot into questions, answers into assignments.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ripstop_model::cluster::{DnsDiscovery, DnsKind};
use ripstop_model::endpoint::LocalityEndpoints;
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, Name, Snapshot};

use super::schedule::Query;

/// Every name that has to be resolved. Literal addresses need nobody.
pub fn queries(snapshot: &Snapshot) -> BTreeSet<Query> {
    let discoveries = snapshot.clusters.values().filter_map(|cluster| dns(cluster));
    discoveries
        .flat_map(|dns| dns.hosts.endpoints().map(move |endpoint| query(dns, &endpoint.address.host)))
        .filter(|query| query.host.parse::<IpAddr>().is_err())
        .collect()
}

/// The snapshot with the addresses of its names. What is equal to `previous` keeps its place in memory.
pub fn merge<'a>(
    snapshot: &Arc<Snapshot>,
    previous: Option<&Snapshot>,
    addresses: impl Fn(&Query) -> &'a [IpAddr],
) -> Arc<Snapshot> {
    let mut merged = None;
    for (name, cluster) in &snapshot.clusters {
        let Some(dns) = dns(cluster) else { continue };
        let assignment = assignment(name, dns, &addresses);
        let same = previous.and_then(|previous| previous.endpoints.get(name));
        let assignment = match same.filter(|same| ***same == assignment) {
            Some(same) => same.clone(),
            None => Arc::new(assignment),
        };
        let merged = merged.get_or_insert_with(|| Snapshot::clone(snapshot));
        merged.endpoints.insert(name.clone(), assignment);
    }
    merged.map_or_else(|| snapshot.clone(), Arc::new)
}

fn dns(cluster: &Cluster) -> Option<&DnsDiscovery> {
    match &cluster.discovery {
        Discovery::Dns(dns) => Some(dns),
        Discovery::Static(_) | Discovery::Eds { .. } | Discovery::EdsFile { .. } => None,
    }
}

fn query(dns: &DnsDiscovery, host: &Name) -> Query {
    Query {
        host: host.clone(),
        family: dns.family,
        refresh: dns.refresh,
        respect_ttl: dns.respect_ttl,
        jitter: dns.jitter,
        after_failure: dns.after_failure,
        resolvers: dns.resolvers.clone(),
    }
}

fn assignment<'a>(
    name: &Name,
    dns: &DnsDiscovery,
    addresses: &impl Fn(&Query) -> &'a [IpAddr],
) -> ClusterLoadAssignment {
    let localities = dns.hosts.localities.iter().map(|locality| LocalityEndpoints {
        locality: locality.locality.clone(),
        priority: locality.priority,
        weight: locality.weight,
        endpoints: locality
            .endpoints
            .iter()
            .flat_map(|endpoint| {
                let target = &endpoint.address;
                let mut ips = match target.host.parse::<IpAddr>() {
                    Ok(ip) => vec![ip],
                    Err(_) => addresses(&query(dns, &target.host)).to_vec(),
                };
                match dns.kind {
                    // In one order, whatever that of the answer: order is no change.
                    DnsKind::Strict => ips.sort_unstable(),
                    DnsKind::Logical => ips.truncate(1),
                }
                ips.into_iter().map(move |ip| {
                    Arc::new(Endpoint {
                        address: Address::socket(ip, target.port),
                        hostname: if endpoint.hostname.is_empty() {
                            target.host.clone()
                        } else {
                            endpoint.hostname.clone()
                        },
                        health: endpoint.health,
                        weight: endpoint.weight,
                        canary: endpoint.canary,
                        extra: endpoint.extra.clone(),
                    })
                })
            })
            .collect(),
    });
    ClusterLoadAssignment {
        cluster_name: name.clone(),
        localities: localities.collect(),
        overprovisioning_percent: dns.hosts.overprovisioning_percent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ripstop_model::address::HostPort;
    use std::num::NonZeroU32;

    fn snapshot(kind: DnsKind, hosts: &[&str]) -> Arc<Snapshot> {
        let endpoint = |host: &&str| Endpoint {
            address: HostPort { host: (*host).into(), port: 80 },
            hostname: "".into(),
            health: Default::default(),
            weight: NonZeroU32::MIN,
            canary: false,
            extra: None,
        };
        let endpoints = hosts.iter().map(|host| Arc::new(endpoint(host)));
        let hosts = ClusterLoadAssignment {
            cluster_name: "other".into(),
            localities: vec![LocalityEndpoints {
                locality: Default::default(),
                priority: 0,
                weight: None,
                endpoints: endpoints.collect(),
            }],
            overprovisioning_percent: 140,
        };
        let dns = DnsDiscovery::new(kind, hosts);
        let mut snapshot = Snapshot::default();
        snapshot.clusters.insert("c".into(), Arc::new(Cluster::new("c", Discovery::Dns(Box::new(dns)))));
        Arc::new(snapshot)
    }

    fn endpoints(snapshot: &Snapshot) -> Vec<String> {
        snapshot.endpoints["c"].endpoints().map(|e| format!("{} {}", e.address, e.hostname)).collect()
    }

    fn two(_: &Query) -> &'static [IpAddr] {
        const TWO: [IpAddr; 2] = [
            IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)),
            IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        ];
        &TWO
    }

    #[test]
    fn every_address_is_an_endpoint_of_a_strict_cluster_and_the_first_of_a_logical_one() {
        let strict = merge(&snapshot(DnsKind::Strict, &["a", "127.0.0.1"]), None, two);
        assert_eq!(endpoints(&strict), ["10.0.0.1:80 a", "10.0.0.2:80 a", "127.0.0.1:80 127.0.0.1"]);
        let logical = merge(&snapshot(DnsKind::Logical, &["a"]), None, two);
        assert_eq!(endpoints(&logical), ["10.0.0.2:80 a"]);
    }

    #[test]
    fn literal_addresses_need_nobody() {
        let asked = queries(&snapshot(DnsKind::Strict, &["a", "a", "::1"]));
        assert_eq!(asked.iter().map(|query| &*query.host).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn what_did_not_change_keeps_its_place() {
        let snapshot = snapshot(DnsKind::Strict, &["a"]);
        let first = merge(&snapshot, None, two);
        let second = merge(&snapshot, Some(&first), two);
        assert!(Arc::ptr_eq(&first.endpoints["c"], &second.endpoints["c"]));
        assert_eq!(first, second);
        let plain = Arc::new(Snapshot::default());
        assert!(Arc::ptr_eq(&merge(&plain, None, two), &plain));
    }
}
