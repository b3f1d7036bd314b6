//! One whole configuration of one proxy. It changes by being replaced, never by being edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::http_manager::RouteSource;
use crate::route::RouteAction;
use crate::runtime::SentLayer;
use crate::tls::{SecretRef, SecretSource};
use crate::{
    ApiListener, Cluster, ClusterLoadAssignment, ConfigFile, Discovery, Listener, Name, NetworkFilter,
    RouteConfiguration, Secret,
};

/// Every resource that a proxy runs on. Resources are shared, so that two snapshots which differ in
/// one endpoint share all the rest, and that equality is quick where nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By name.
    pub listeners: BTreeMap<Name, Arc<Listener>>,
    /// By name: what gRPC libraries dial. No proxy is sent any.
    pub api_listeners: BTreeMap<Name, Arc<ApiListener>>,
    /// By name; those written inside a listener are not here.
    pub routes: BTreeMap<Name, Arc<RouteConfiguration>>,
    /// By name.
    pub clusters: BTreeMap<Name, Arc<Cluster>>,
    /// By EDS name; those written inside a cluster are not here.
    pub endpoints: BTreeMap<Name, Arc<ClusterLoadAssignment>>,
    /// By name and source: those of the file that the proxy was started with, and those that were sent. Secrets of files are
    /// not here.
    pub secrets: BTreeMap<SecretRef, Arc<Secret>>,
    /// Layers of values that are set by name, by the name of the resource (RTDS).
    pub runtime: BTreeMap<Name, Arc<SentLayer>>,
}

impl Snapshot {
    /// The route configurations that the listeners ask RDS for.
    pub fn wanted_routes(&self) -> impl Iterator<Item = &Name> {
        self.managers().filter_map(|manager| manager.routes.name())
    }

    /// The assignments that the clusters ask EDS for.
    pub fn wanted_endpoints(&self) -> impl Iterator<Item = &Name> {
        self.clusters.values().filter_map(|cluster| cluster.eds_name())
    }

    /// The route configurations that are asked of files.
    pub fn route_files(&self) -> impl Iterator<Item = (&Name, &ConfigFile)> {
        self.managers().filter_map(|manager| match &manager.routes {
            RouteSource::File { name, file } => Some((name, file)),
            RouteSource::Rds(_) | RouteSource::Inline(_) => None,
        })
    }

    /// The assignments that are asked of files.
    pub fn endpoint_files(&self) -> impl Iterator<Item = (&Name, &ConfigFile)> {
        self.clusters.values().filter_map(|cluster| match &cluster.discovery {
            Discovery::EdsFile { file, .. } => Some((cluster.eds_name()?, file)),
            Discovery::Static(_) | Discovery::Eds { .. } | Discovery::Dns(_) => None,
        })
    }

    /// What is referred to and not there, as `kind name` for a message. Empty: the snapshot is whole.
    pub fn dangling(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for name in self.wanted_routes().filter(|n| !self.routes.contains_key(*n)) {
            missing.push(format!("route configuration {name}"));
        }
        for name in self.wanted_endpoints().filter(|n| !self.endpoints.contains_key(*n)) {
            missing.push(format!("endpoints {name}"));
        }
        missing.extend(self.missing_clusters().map(|name| format!("cluster {name}")));
        missing.extend(self.missing_secrets().map(|name| format!("secret {name}")));
        missing.sort();
        missing.dedup();
        missing
    }

    /// The secrets that have to stand beside the listeners and clusters, and do not.
    pub fn missing_secrets(&self) -> impl Iterator<Item = &Name> {
        let known =
            |secret: &SecretRef| secret.source != SecretSource::Static || self.secrets.contains_key(secret);
        let missing: BTreeSet<&Name> =
            self.referenced_secrets().filter(|secret| !known(secret)).map(|secret| &secret.name).collect();
        missing.into_iter()
    }

    /// The clusters that are named where they have to be there, and are not.
    pub fn missing_clusters(&self) -> impl Iterator<Item = &Name> {
        let missing: BTreeSet<&Name> =
            self.referenced_by(true).filter(|name| !self.clusters.contains_key(*name)).collect();
        missing.into_iter()
    }

    /// Every cluster that a route or a TCP proxy names.
    pub fn referenced_clusters(&self) -> impl Iterator<Item = &Name> {
        self.referenced_by(false)
    }

    /// The same; `validated` leaves out those of route configurations that need not be there.
    fn referenced_by(&self, validated: bool) -> impl Iterator<Item = &Name> {
        let inline = self.managers().filter_map(|manager| match &manager.routes {
            RouteSource::Inline(routes) => Some(routes),
            RouteSource::Rds(_) | RouteSource::File { .. } => None,
        });
        let routed = self
            .routes
            .values()
            .map(|routes| &**routes)
            .chain(inline)
            .filter(move |routes| !validated || routes.validate_clusters != Some(false))
            .flat_map(|routes| &routes.virtual_hosts)
            .flat_map(|host| &host.routes)
            .filter_map(|route| match &route.action {
                RouteAction::Forward(forward) => Some(forward.cluster.names()),
                _ => None,
            })
            .flatten();
        let tcp = self.chains().filter_map(|chain| match &chain.filter {
            NetworkFilter::Tcp(tcp) => Some(tcp.clusters.iter().map(|share| &share.name)),
            NetworkFilter::Http(_)
            | NetworkFilter::Echo
            | NetworkFilter::DirectResponse(_)
            | NetworkFilter::Nothing => None,
        });
        routed.chain(tcp.flatten())
    }

    /// The secrets that listeners and clusters ask ADS for.
    pub fn wanted_secrets(&self) -> impl Iterator<Item = &Name> {
        self.referenced_secrets()
            .filter(|secret| secret.source == SecretSource::Ads)
            .map(|secret| &secret.name)
    }

    /// The secrets that they ask servers of secrets for.
    pub fn secrets_of_servers(&self) -> impl Iterator<Item = &SecretRef> {
        self.referenced_secrets().filter(|secret| matches!(secret.source, SecretSource::Server { .. }))
    }

    /// Every secret that a listener or a cluster names.
    pub fn referenced_secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let servers = self.chains().filter_map(|chain| chain.tls.as_ref()).flat_map(|tls| tls.secrets());
        let transports = self.clusters.values().flat_map(|cluster| cluster.transports());
        servers.chain(transports.filter_map(|transport| transport.tls.as_ref()).flat_map(|tls| tls.secrets()))
    }

    fn chains(&self) -> impl Iterator<Item = &crate::FilterChain> {
        self.listeners.values().flat_map(|listener| listener.chains())
    }

    fn managers(&self) -> impl Iterator<Item = &crate::HttpConnectionManager> {
        let of_libraries = self.api_listeners.values().map(|listener| &listener.manager);
        let of_chains = self.chains().filter_map(|chain| match &chain.filter {
            NetworkFilter::Http(manager) => Some(&**manager),
            NetworkFilter::Tcp(_)
            | NetworkFilter::Echo
            | NetworkFilter::DirectResponse(_)
            | NetworkFilter::Nothing => None,
        });
        of_chains.chain(of_libraries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Forward, Route, RouteMatch, VirtualHost};
    use crate::{Address, FilterChain, HttpConnectionManager};

    fn listener(routes: RouteSource) -> Arc<Listener> {
        Arc::new(Listener {
            direction: Default::default(),
            ..Listener::new(
                "l",
                Address::socket([127, 0, 0, 1], 0),
                vec![FilterChain {
                    matches: Default::default(),
                    ..FilterChain::new(NetworkFilter::Http(Box::new(HttpConnectionManager::new("h", routes))))
                }],
            )
        })
    }

    #[test]
    fn a_snapshot_says_what_is_missing() {
        let mut snapshot = Snapshot::default();
        snapshot.listeners.insert("l".into(), listener(RouteSource::Rds("r".into())));
        assert_eq!(snapshot.dangling(), ["route configuration r"]);

        let route = Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(Forward::to("c"))));
        let host = VirtualHost::new("v", vec!["*".into()], vec![route]);
        let routes = RouteConfiguration::new("r", vec![host]);
        snapshot.routes.insert("r".into(), Arc::new(routes));
        assert_eq!(snapshot.dangling(), ["cluster c"]);

        let cluster = Cluster::new("c", Discovery::Eds { service_name: None });
        snapshot.clusters.insert("c".into(), Arc::new(cluster));
        assert_eq!(snapshot.dangling(), ["endpoints c"]);

        let endpoints = ClusterLoadAssignment::flat("c", Vec::new());
        snapshot.endpoints.insert("c".into(), Arc::new(endpoints));
        assert!(snapshot.dangling().is_empty());
    }
}
