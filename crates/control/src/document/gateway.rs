//! Reads `Gateway`. Its TLS settings are read by `server_tls`.

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, ip_address, is_dns_name, is_label, labels, required_port, shorten};
use crate::document::server_tls;
use crate::resource::{Gateway, GatewayHost, GatewayServer, Metadata, ServerProtocol, ServerTlsMode};

const PROTOCOLS: [(&str, ServerProtocol); 9] = [
    ("HTTP", ServerProtocol::Http),
    ("HTTP2", ServerProtocol::Http),
    ("GRPC", ServerProtocol::Http),
    ("GRPC-WEB", ServerProtocol::Http),
    ("GRPC-Web", ServerProtocol::Http),
    ("HTTPS", ServerProtocol::Https),
    ("TLS", ServerProtocol::Tls),
    ("TCP", ServerProtocol::Tcp),
    ("MONGO", ServerProtocol::Tcp),
];

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
    let name = reader.str("name").unwrap_or_default();
    let bind = reader.field("bind").and_then(|field| ip_address(&field));
    let tls = reader.map("tls").map(server_tls::decode);
    reader.known_but_unsupported("defaultEndpoint", "requests go where VirtualServices say");
    let origin = decoder.origin(&reader);
    let (port, port_name, protocol) = port?;
    let redirects = tls.as_ref().is_some_and(|tls| tls.https_redirect);
    let ends = matches!(protocol, ServerProtocol::Https | ServerProtocol::Tls);
    if ends && tls.is_none() {
        reader.error_with_help("port", "the protocol is one over TLS", "add `tls` with a `mode`");
    }
    if redirects && protocol != ServerProtocol::Http {
        reader.error_with_help("tls", "`httpsRedirect` is for plaintext HTTP", "remove it");
    }
    let tls = tls.filter(|_| ends);
    // A mode that is not in force has been reported; without it nothing is known about the server.
    let in_force = tls.as_ref().is_none_or(|tls| tls.tls.is_some());
    let tls = tls.and_then(|tls| tls.tls);
    let passes = tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::Passthrough);
    if passes && protocol == ServerProtocol::Https {
        // Istio takes requests within such TLS for what they are: bytes.
        reader
            .warn("port", "with PASSTHROUGH requests cannot be told apart: `tls` of VirtualServices routes");
    }
    reader.finish();
    let server = GatewayServer {
        name: name.into(),
        port,
        port_name,
        protocol: if passes { ServerProtocol::Tls } else { protocol },
        bind,
        hosts,
        https_redirect: redirects,
        tls,
        origin,
    };
    in_force.then_some(server)
}

/// Number, name and protocol.
fn server_port(field: &Field<'_>) -> Option<(u16, Name, ServerProtocol)> {
    let reader = field.map()?;
    let number = required_port(&reader, "number");
    let name = reader.required_str("name");
    let protocol = reader.required("protocol").and_then(|field| field.one_of(&PROTOCOLS));
    reader.known_but_unsupported("targetPort", "it listens on `number`");
    reader.finish();
    Some((number?, name?.into(), protocol?))
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
