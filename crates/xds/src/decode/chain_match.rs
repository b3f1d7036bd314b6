//! Which connections a filter chain takes ← wire.

use ripstop_model::Name;
use ripstop_model::chain_match::{FilterChainMatch, ServerName, SourceType, TransportProtocol};

use super::common::{Context, cidr_range};
use crate::pb;

pub(super) fn chain_match(cx: &mut Context, wire: &pb::FilterChainMatch) -> FilterChainMatch {
    let transport_protocol = match wire.transport_protocol.as_str() {
        "" => None,
        "raw_buffer" => Some(TransportProtocol::Plaintext),
        "tls" => Some(TransportProtocol::Tls),
        other => {
            cx.at("transport_protocol", |cx| {
                cx.reject(format!("'{other}' is not supported (only raw_buffer and tls)"));
            });
            None
        }
    };
    let destination_port = wire.destination_port.as_ref().and_then(|port| {
        let port = port_number(port.value);
        if port.is_none() {
            cx.at("destination_port", |cx| cx.reject("must be between 1 and 65535"));
        }
        port
    });
    let source_type = match pb::ConnectionSourceType::try_from(wire.source_type) {
        Ok(pb::ConnectionSourceType::SameIpOrLoopback) => SourceType::SameIpOrLoopback,
        Ok(pb::ConnectionSourceType::External) => SourceType::External,
        _ => SourceType::Any,
    };
    let source_ports = cx.items("source_ports", &wire.source_ports, |cx, port| match port_number(*port) {
        Some(port) => Some(port),
        None => cx.refuse("must be between 1 and 65535"),
    });
    let mut ranges = |field, list: &[pb::CidrRange]| cx.items(field, list, cidr_range);
    let prefix_ranges = ranges("prefix_ranges", &wire.prefix_ranges);
    let direct = ranges("direct_source_prefix_ranges", &wire.direct_source_prefix_ranges);
    let source_prefix_ranges = ranges("source_prefix_ranges", &wire.source_prefix_ranges);
    FilterChainMatch {
        destination_port,
        prefix_ranges,
        server_names: cx.items("server_names", &wire.server_names, |cx, name| server_name(cx, name)),
        transport_protocol,
        application_protocols: wire.application_protocols.iter().map(|name| name.as_str().into()).collect(),
        direct_source_prefix_ranges: direct,
        source_type,
        source_prefix_ranges,
        source_ports,
    }
}

/// 0 means that any port will do and is no port.
fn port_number(port: u32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

fn server_name(cx: &mut Context, name: &str) -> Option<ServerName> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') && !suffix.contains('*') => {
            Some(ServerName::Suffix(Name::from(suffix)))
        }
        None if !name.contains('*') => Some(ServerName::Exact(name.as_str().into())),
        _ => cx.refuse("a wildcard must be the whole first label, as in *.example.com"),
    }
}
