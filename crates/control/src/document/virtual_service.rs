//! Reads `VirtualService`. Its rules are read by `http_route`.

use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, host, is_dns_name, is_label, shorten};
use crate::document::http_route;
use crate::resource::{GatewayRef, Metadata, ObjectKey, VirtualService};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> VirtualService {
    let mut hosts = Vec::new();
    let fields = spec.required("hosts").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        spec.error("hosts", "a virtual service has at least one host");
    }
    for field in fields.unwrap_or_default() {
        if let Some(host) = host(&field, true) {
            hosts.push((host, decoder.origin_of_field(&field)));
        }
    }
    let mut gateways = gateways(spec, meta.namespace());
    if gateways.is_empty() {
        gateways.push(GatewayRef::Mesh);
    }
    let http = spec
        .list("http")
        .iter()
        .filter_map(|field| http_route::decode(decoder, field, meta.namespace()))
        .collect();
    spec.known_but_unsupported("tcp", "TCP goes to its service whole");
    spec.known_but_unsupported("tls", "TLS is not routed by server name");
    spec.known_but_unsupported("exportTo", "it applies in every namespace");
    VirtualService { meta, hosts, gateways, http }
}

/// The list `gateways` of a VirtualService or of one of its conditions.
pub(super) fn gateways(reader: &Reader<'_>, namespace: &str) -> Vec<GatewayRef> {
    reader.list("gateways").iter().filter_map(|field| gateway(field, namespace)).collect()
}

fn gateway(field: &Field<'_>, own_namespace: &str) -> Option<GatewayRef> {
    let text = field.str()?;
    if text == "mesh" {
        return Some(GatewayRef::Mesh);
    }
    let (namespace, name) = match text.split_once('/') {
        Some((".", name)) => (own_namespace, name),
        Some((namespace, name)) => (namespace, name),
        None => (own_namespace, text.as_str()),
    };
    if !is_label(namespace) || !is_dns_name(name) {
        let message = format!("`{}` does not name a gateway", shorten(&text));
        field.error_with_help(message, "write `name`, `namespace/name` or `mesh`");
        return None;
    }
    Some(GatewayRef::Gateway(ObjectKey::new(namespace, name)))
}
