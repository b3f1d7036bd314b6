//! Reads `Sidecar`.

use std::net::{IpAddr, SocketAddr};

use ripstop_model::{Address, Name};
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, ip_address, is_dns_name, is_label, required_port, shorten};
use crate::document::destination::destination;
use crate::document::{connection_pool, selector};
use crate::resource::{
    AppProtocol, EgressHost, EgressNamespace, Metadata, Sidecar, SidecarEgress, SidecarIngress,
};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> Sidecar {
    let namespace = meta.namespace().clone();
    let ingress: Vec<SidecarIngress> =
        spec.list("ingress").iter().filter_map(|field| ingress(decoder, field)).collect();
    let egress: Vec<SidecarEgress> =
        spec.list("egress").iter().filter_map(|field| egress(decoder, field, &namespace)).collect();
    let mut egress_proxy = None;
    if let Some(policy) = spec.map("outboundTrafficPolicy") {
        let any = policy.one_of("mode", &[("REGISTRY_ONLY", false), ("ALLOW_ANY", true)]) == Some(true);
        egress_proxy = policy.field("egressProxy").and_then(|field| destination(decoder, &field));
        if any && egress_proxy.is_none() {
            policy.known_but_unsupported("mode", "hosts that the mesh does not know are answered with 502");
        } else if egress_proxy.is_some() && !any {
            let help = "write `mode: ALLOW_ANY`";
            policy.error_with_help(
                "egressProxy",
                "nothing is sent to hosts that the mesh does not know",
                help,
            );
        }
        policy.finish();
    }
    let inbound_pool = spec.map("inboundConnectionPool").map(connection_pool::decode);
    let selector = selector::workload_labels(spec);
    Sidecar { meta, selector, ingress, egress, egress_proxy, inbound_pool }
}

fn capture_mode(reader: &Reader<'_>) {
    let modes = [("DEFAULT", false), ("IPTABLES", true), ("NONE", false)];
    if reader.one_of("captureMode", &modes) == Some(true) {
        reader.known_but_unsupported("captureMode", "traffic is not redirected");
    }
}

/// Number and protocol.
fn sidecar_port(field: &Field<'_>) -> Option<(u16, AppProtocol)> {
    let reader = field.map()?;
    let number = required_port(&reader, "number");
    let protocol = reader.one_of("protocol", &AppProtocol::ISTIO_WORDS).unwrap_or(AppProtocol::Tcp);
    reader.str("name");
    reader.known_but_unsupported("targetPort", "it listens on `number`");
    reader.finish();
    Some((number?, protocol))
}

fn ingress(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<SidecarIngress> {
    let reader = field.map()?;
    let port = reader.required("port").and_then(|field| sidecar_port(&field));
    let bind = reader.field("bind").and_then(|field| ip_address(&field));
    let endpoint = reader.field("defaultEndpoint").and_then(|field| endpoint(&field));
    let pool = reader.map("connectionPool").map(connection_pool::decode);
    capture_mode(&reader);
    reader.known_but_unsupported("tls", "the sidecar takes what PeerAuthentication says");
    let origin = decoder.origin(&reader);
    reader.finish();
    let (port, protocol) = port?;
    Some(SidecarIngress { port, protocol, bind, endpoint, pool, origin })
}

/// `127.0.0.1:PORT`, `0.0.0.0:PORT`, the same of IPv6, or `unix:///path`. Unspecified addresses mean that of the workload,
/// on which its applications listen; loopback stays.
fn endpoint(field: &Field<'_>) -> Option<Address> {
    let text = field.str()?;
    if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with(['/', '@'])) {
        return Some(Address::Pipe(path.into()));
    }
    match text.parse::<SocketAddr>() {
        Ok(address)
            if address.port() != 0 && (address.ip().is_loopback() || address.ip().is_unspecified()) =>
        {
            Some(Address::Socket(address))
        }
        _ => {
            let message =
                format!("`{}` is not where an application beside a sidecar listens", shorten(&text));
            field.error_with_help(message, "write 127.0.0.1:PORT, 0.0.0.0:PORT or unix:///path");
            None
        }
    }
}

fn egress(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &Name) -> Option<SidecarEgress> {
    let reader = field.map()?;
    let port = reader.field("port").map(|field| sidecar_port(&field));
    let bind: Option<IpAddr> = reader.field("bind").and_then(|field| ip_address(&field));
    let fields = reader.required("hosts").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        reader.error_with_help("hosts", "an egress has at least one host", "`~/*` means none");
    }
    let hosts = fields.unwrap_or_default().iter().filter_map(|host| egress_host(host, namespace)).collect();
    capture_mode(&reader);
    if bind.is_some() && port.is_none() {
        reader.error_with_help("bind", "an address without a port", "add `port`");
    }
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(SidecarEgress { port: port.flatten(), bind, hosts, origin })
}

/// `namespace/host`; the namespace may be `*`, `.` or `~`.
fn egress_host(field: &Field<'_>, own_namespace: &Name) -> Option<EgressHost> {
    let text = field.str()?;
    let parts = text.split_once('/').and_then(|(namespace, name)| {
        let namespace = match namespace {
            "*" => EgressNamespace::Any,
            "." => EgressNamespace::Named(own_namespace.clone()),
            "~" => EgressNamespace::None,
            name if is_label(name) => EgressNamespace::Named(name.into()),
            _ => return None,
        };
        Some((namespace, name.to_ascii_lowercase()))
    });
    let good = |name: &str| name == "*" || is_dns_name(name.strip_prefix("*.").unwrap_or(name));
    match parts {
        Some((namespace, name)) if good(&name) => Some(EgressHost { namespace, host: name.into() }),
        _ => {
            let message = format!("`{}` is not a host of a namespace", shorten(&text));
            field.error_with_help(message, "write namespace/host, ./host, */host or ~/*");
            None
        }
    }
}
