//! From what a proxy is told back to what somebody wrote: which resource, which field, which line.

use ripstop_model::listener::Listener;
use ripstop_model::{Address, Snapshot};

use crate::resource::{Kind, ObjectKey, Origin, Workload};
use crate::translate::{ProxyRef, names};
use crate::world::{Scope, World};

/// A place in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Kind of the resource.
    pub(crate) kind: Kind,
    /// The resource.
    pub(crate) key: ObjectKey,
    /// Where exactly.
    pub(crate) origin: Origin,
}

impl Place {
    fn new(kind: Kind, key: &ObjectKey, origin: &Origin) -> Place {
        Place { kind, key: key.clone(), origin: origin.clone() }
    }
}

/// `VirtualService default/shop spec.http[1] (traffic.yaml:31)`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.key)?;
        if !self.origin.path.is_empty() {
            write!(f, " {}", self.origin.path)?;
        }
        write!(f, " ({})", self.origin.place())
    }
}

/// What a route was made of: a rule of a virtual service, or what none routes.
pub(crate) fn of_route(world: &World, route: &str) -> Option<Place> {
    if let Some((key, index)) = names::parse_rule(route) {
        let vs = world.virtual_services().iter().find(|vs| vs.meta.key == key)?;
        let origin = vs.http.get(index).map_or(&vs.meta.origin, |rule| &rule.origin);
        return Some(Place::new(Kind::VirtualService, &key, origin));
    }
    let (kind, rest) = route.split_once(' ')?;
    let (namespace, name) = rest.split(' ').next()?.split_once('/')?;
    let key = ObjectKey::new(namespace, name);
    let meta = match kind {
        "Service" => &world.service(&key)?.meta,
        "ServiceEntry" => &world.service_entries().iter().find(|entry| entry.meta.key == key)?.meta,
        _ => return None,
    };
    let kind = if kind == "Service" { Kind::Service } else { Kind::ServiceEntry };
    Some(Place::new(kind, &key, &meta.origin))
}

/// What a cluster of a proxy was made of: who describes the host, and the rule for calls to it.
pub(crate) fn of_cluster(world: &World, cluster: &str, proxy: &ProxyRef) -> Vec<Place> {
    let Some((_, subset, host)) = names::parse_outbound_cluster(cluster) else { return Vec::new() };
    let Some(callee) = world.callee(host, &proxy.namespace) else { return Vec::new() };
    let mut places = vec![Place::new(callee.kind(), callee.key(), &callee.origin)];
    let viewer = world.instance(&proxy.workload_key());
    let scope = viewer.map(|viewer| Scope::of(world, &viewer.workload));
    if let Some(rule) = scope.as_ref().and_then(|scope| scope.destination_rule(callee)) {
        let subset = rule.subsets.iter().find(|one| Some(&*one.name) == subset);
        let origin = subset.map_or(&rule.meta.origin, |subset| &subset.origin);
        places.push(Place::new(Kind::DestinationRule, &rule.meta.key, origin));
    }
    places
}

/// What a listener of a proxy was made of.
pub(crate) fn of_listener(world: &World, proxy: &ProxyRef, listener: &Listener) -> Option<Place> {
    let instance = world.instance(&proxy.workload_key())?;
    let Address::Socket(address) = &listener.address.address else { return None };
    of_port(world, &instance.workload, address.port())
}

fn of_port(world: &World, workload: &Workload, port: u16) -> Option<Place> {
    let own = |origin: &Origin| Place::new(Kind::Workload, &workload.meta.key, origin);
    if let Some(found) = workload.ports.values().find(|one| one.sidecar == Some(port)) {
        return Some(own(&found.origin));
    }
    if let Some(sidecar) = &workload.sidecar {
        if let Some(upstream) = sidecar.upstreams.iter().find(|one| one.local_port == port) {
            return Some(own(&upstream.origin));
        }
        if sidecar.outbound == Some(port) {
            return Some(own(&sidecar.origin));
        }
    }
    world.gateways_served_by(&workload.meta.labels).find_map(|gateway| {
        let server = gateway.servers.iter().find(|server| server.port == port)?;
        Some(Place::new(Kind::Gateway, &gateway.meta.key, &server.origin))
    })
}

/// The places behind whatever a message of a proxy names: routes first, then clusters, then listeners.
pub(crate) fn named_in(world: &World, proxy: &ProxyRef, snapshot: &Snapshot, message: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |place: Place| {
        if !places.contains(&place) {
            places.push(place);
        }
    };
    let routes =
        snapshot.routes.values().flat_map(|config| &config.virtual_hosts).flat_map(|host| &host.routes);
    for route in routes.filter(|route| !route.name.is_empty() && message.contains(&*route.name)) {
        of_route(world, &route.name).into_iter().for_each(&mut add);
    }
    for name in snapshot.clusters.keys().filter(|name| message.contains(&***name)) {
        of_cluster(world, name, proxy).into_iter().for_each(&mut add);
    }
    for listener in snapshot.listeners.values().filter(|listener| is_named(message, &listener.name)) {
        of_listener(world, proxy, listener).into_iter().for_each(&mut add);
    }
    places
}

/// `127.0.0.1_15001` is not named where `127.0.0.1_150011` is.
fn is_named(message: &str, name: &str) -> bool {
    message.match_indices(name).any(|(at, _)| {
        let next = message[at + name.len()..].chars().next();
        next.is_none_or(|next| !next.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::translate::translate;

    #[test]
    fn what_a_proxy_names_leads_to_the_lines_that_it_was_made_of() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/mesh");
        let world = crate::source::load(&[directory]).unwrap().0;
        let proxy = ProxyRef::new("default", "ingress");
        let (snapshot, _) = translate(&world, &proxy).unwrap();
        let named = |message: &str| -> Vec<String> {
            let places = named_in(&world, &proxy, &snapshot, message);
            places.iter().map(|place| place.to_string().split(" (").next().unwrap().to_owned()).collect()
        };
        assert_eq!(
            named("route `VirtualService default/shop http[1] products`: bad"),
            ["VirtualService default/shop spec.http[1]"]
        );
        assert_eq!(
            named("Cluster outbound|8082|v2|product-service.default.svc.cluster.local: no"),
            ["Service default/product-service", "DestinationRule default/product-service spec.subsets[1]"]
        );
        assert_eq!(named("listener 127.0.0.1_10000: taken"), ["Gateway default/shop spec.servers[0]"]);
        assert_eq!(named("listener 127.0.0.1_100001 and nothing else"), [""; 0]);
        let (_, line) = world.virtual_services()[0].http[1]
            .origin
            .place()
            .rsplit_once(':')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert!(line.parse::<u32>().unwrap() > 20);
    }
}
