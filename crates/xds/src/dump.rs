//! A snapshot as JSON in the form of Envoy's `/config_dump`, so that tools made for Envoy can read it.

use std::collections::BTreeMap;
use std::fmt::Write;

use ripstop_model::Snapshot;
use ripstop_model::tls::{DataSource, Secret, SecretKind};

use crate::ResourceType;
use crate::binder::to_json;
use crate::encode::{
    encode_cluster, encode_listener, encode_load_assignment, encode_route_configuration, encode_secret,
};

/// What stands in the place of a key, as with Envoy.
const REDACTED: &str = "[redacted]";

/// The whole configuration. Keys of secrets are left out; those that a listener or cluster holds in place are not. `versions` are those of the last response of each type.
pub fn config_dump(snapshot: &Snapshot, versions: &BTreeMap<ResourceType, String>) -> String {
    let version = |kind: ResourceType| versions.get(&kind).map_or("", String::as_str);
    let clusters = snapshot.clusters.values().map(|cluster| encode_cluster(cluster));
    let listeners = snapshot.listeners.iter().map(|(name, listener)| {
        let resource = resource(ResourceType::Listener, &encode_listener(listener), "listener", version);
        format!("{{\"name\":{},\"active_state\":{resource}}}", quoted(name))
    });
    let routes = snapshot.routes.values().map(|routes| encode_route_configuration(routes));
    let endpoints = snapshot.endpoints.values().map(|endpoints| encode_load_assignment(endpoints));
    let secrets = snapshot.secrets.iter().map(|(reference, secret)| {
        let resource =
            resource(ResourceType::Secret, &encode_secret(&without_key(secret)), "secret", version);
        let name = quoted(&reference.name);
        format!("{{\"name\":{name},{}", resource.strip_prefix('{').unwrap_or(&resource))
    });
    let dumps = [
        dump(
            "ClustersConfigDump",
            "dynamic_active_clusters",
            clusters.map(|bytes| resource(ResourceType::Cluster, &bytes, "cluster", version)),
        ),
        dump(
            "EndpointsConfigDump",
            "dynamic_endpoint_configs",
            endpoints.map(|bytes| resource(ResourceType::Endpoint, &bytes, "endpoint_config", version)),
        ),
        dump("ListenersConfigDump", "dynamic_listeners", listeners),
        dump(
            "RoutesConfigDump",
            "dynamic_route_configs",
            routes.map(|bytes| resource(ResourceType::Route, &bytes, "route_config", version)),
        ),
        dump("SecretsConfigDump", "dynamic_active_secrets", secrets),
    ];
    let dump = format!("{{\"configs\":[{}]}}\n", dumps.join(",\n"));
    crate::release_descriptors();
    dump
}

/// The key is not told.
fn without_key(secret: &Secret) -> Secret {
    let mut secret = secret.clone();
    if let SecretKind::Certificate(certificate) = &mut secret.kind {
        certificate.key = DataSource::inline(REDACTED);
    }
    secret
}

fn dump(name: &str, field: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    let items = items.join(",\n");
    format!("{{\"@type\":\"type.googleapis.com/envoy.admin.v3.{name}\",\"{field}\":[{items}]}}")
}

/// One resource with its version and its `@type`.
fn resource<'a>(
    kind: ResourceType,
    bytes: &[u8],
    field: &str,
    version: impl Fn(ResourceType) -> &'a str,
) -> String {
    let body = to_json(kind.message_name(), bytes);
    let rest = body.strip_prefix('{').unwrap_or(&body);
    let comma = if rest.starts_with('}') { "" } else { "," };
    let url = quoted(kind.type_url());
    let version = quoted(version(kind));
    format!("{{\"version_info\":{version},\"{field}\":{{\"@type\":{url}{comma}{rest}}}")
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a string cannot fail.
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ripstop_model::{Cluster, ClusterLoadAssignment, Discovery, Endpoint};
    use std::sync::Arc;

    #[test]
    fn a_dump_has_envoys_form() {
        let mut snapshot = Snapshot::default();
        snapshot
            .clusters
            .insert("c".into(), Arc::new(Cluster::new("c", Discovery::Eds { service_name: None })));
        let endpoint = Endpoint::new(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
        snapshot.endpoints.insert("c".into(), Arc::new(ClusterLoadAssignment::flat("c", vec![endpoint])));
        let versions = BTreeMap::from([(ResourceType::Cluster, "7\"".to_owned())]);
        let dump = config_dump(&snapshot, &versions);
        for part in [
            "\"@type\":\"type.googleapis.com/envoy.admin.v3.ClustersConfigDump\"",
            "{\"version_info\":\"7\\\"\",\"cluster\":{\"@type\":\"type.googleapis.com/envoy.config.cluster.v3.Cluster\",\"name\":\"c\"",
            "\"port_value\":80",
            "\"dynamic_listeners\":[]",
        ] {
            assert!(dump.contains(part), "{part}\n{dump}");
        }
    }
}
