//! Reads `Gateway`.

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, is_dns_name, is_label, labels, required_port, shorten};
use crate::resource::{Gateway, GatewayHost, GatewayServer, Metadata};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> Gateway {
    let selector = labels(spec, "selector");
    let fields = spec.required("servers").map(|field| field.list()).unwrap_or_default();
    let servers = fields.iter().filter_map(|field| server(decoder, field, meta.namespace())).collect();
    Gateway { meta, selector, servers }
}

fn server(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &Name) -> Option<GatewayServer> {
    let reader = field.map()?;
    let port = reader.required("port").and_then(|field| server_port(&field));
    let fields = reader.required("hosts").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        reader.error("hosts", "a server has at least one host");
    }
    let hosts = fields.unwrap_or_default().iter().filter_map(|host| gateway_host(host, namespace)).collect();
    reader.str("name");
    reader.known_but_unsupported("tls", "the gateway takes plaintext HTTP");
    reader.known_but_unsupported("bind", "it listens on the address of the gateway workload");
    reader.known_but_unsupported("defaultEndpoint", "requests go where VirtualServices say");
    let origin = decoder.origin(&reader);
    reader.finish();
    let (port, port_name, in_force) = port?;
    in_force.then_some(GatewayServer { port, port_name, hosts, origin })
}

/// Number, name, and whether the protocol is one that is in force.
fn server_port(field: &Field<'_>) -> Option<(u16, Name, bool)> {
    let reader = field.map()?;
    let number = required_port(&reader, "number");
    let name = reader.required_str("name");
    let protocols = [
        ("HTTP", true),
        ("HTTP2", true),
        ("GRPC", true),
        ("GRPC-WEB", false),
        ("HTTPS", false),
        ("TLS", false),
        ("TCP", false),
        ("MONGO", false),
    ];
    let in_force = reader.required("protocol").and_then(|field| field.one_of(&protocols));
    if in_force == Some(false) {
        reader.known_but_unsupported(
            "protocol",
            "the gateway takes plaintext HTTP, so this server is left out",
        );
    }
    reader.known_but_unsupported("targetPort", "it listens on `number`");
    reader.finish();
    Some((number?, name?.into(), in_force?))
}

/// `host`, `namespace/host`, `./host` or `*/host`.
fn gateway_host(field: &Field<'_>, own_namespace: &Name) -> Option<GatewayHost> {
    let text = field.str()?.to_ascii_lowercase();
    let (namespace, host) = match text.split_once('/') {
        Some((".", host)) => (Some(own_namespace.clone()), host),
        Some(("*", host)) => (None, host),
        Some((namespace, host)) => (Some(namespace.into()), host),
        None => (None, text.as_str()),
    };
    let host_ok = host == "*" || is_dns_name(host.strip_prefix("*.").unwrap_or(host));
    if !host_ok || namespace.as_ref().is_some_and(|namespace| !is_label(namespace)) {
        let message = format!("`{}` is not a host", shorten(&text));
        field.error_with_help(message, "write a name, `*.suffix` or `*`, or one of them behind `namespace/`");
        return None;
    }
    Some(GatewayHost { namespace, host: host.into() })
}
