//! Reads `VirtualService`. Its rules are read by `http_route` and `l4_route`.

use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, dns_name, host, is_dns_name, is_label, label, shorten};
use crate::document::export_to::export_to;
use crate::document::{http_route, l4_route};
use crate::resource::{GatewayRef, HttpAction, Metadata, ObjectKey, VirtualService};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> VirtualService {
    let namespace = meta.namespace().clone();
    let mut hosts = Vec::new();
    for field in spec.list("hosts") {
        if let Some(host) = host(&field, true) {
            hosts.push((host, decoder.origin_of_field(&field)));
        }
    }
    let is_delegate = spec.node("hosts").is_none_or(|node| node.is_empty_list());
    let mut gateways = gateways(spec, &namespace);
    if is_delegate && !gateways.is_empty() {
        spec.error_with_help(
            "gateways",
            "a VirtualService without hosts is for others that delegate to it, which say where it applies",
            "add `hosts`, or remove `gateways`",
        );
    } else if !is_delegate && gateways.is_empty() {
        gateways.push(GatewayRef::Mesh);
    }
    let http = spec.list("http");
    let http: Vec<_> =
        http.iter().filter_map(|field| http_route::decode(decoder, field, &namespace)).collect();
    let tls = spec.list("tls");
    let tls: Vec<_> = tls.iter().filter_map(|field| l4_route::tls(decoder, field, &namespace)).collect();
    let tcp = spec.list("tcp");
    let tcp: Vec<_> = tcp.iter().filter_map(|field| l4_route::tcp(decoder, field, &namespace)).collect();
    if is_delegate {
        check_delegate(spec, &http, !tls.is_empty() || !tcp.is_empty());
    }
    let export_to = export_to(spec, &namespace);
    VirtualService { meta, hosts, gateways, http, tls, tcp, export_to }
}

/// What a virtual service may not have that others delegate to.
fn check_delegate(spec: &Reader<'_>, http: &[crate::resource::HttpRoute], has_others: bool) {
    if http.is_empty() && spec.list("http").is_empty() {
        spec.error_with_help(
            "hosts",
            "a virtual service has at least one host",
            "or `http` for others to use",
        );
    }
    if has_others {
        spec.error_with_help("hosts", "only `http` can be delegated to", "add `hosts`");
    }
    if http.iter().any(|rule| matches!(rule.action, HttpAction::Delegate(_))) {
        spec.error_with_help(
            "http",
            "what is delegated to cannot delegate further",
            "name the last one in the first",
        );
    }
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

/// `Delegate`: a name, and a namespace where it is another one.
pub(super) fn delegate(reader: Reader<'_>, own_namespace: &str) -> Option<ObjectKey> {
    let name = reader.required("name").and_then(|field| dns_name(&field));
    let namespace = match reader.field("namespace") {
        Some(field) => label(&field),
        None => Some(own_namespace.into()),
    };
    reader.finish();
    Some(ObjectKey { namespace: namespace?, name: name? })
}
