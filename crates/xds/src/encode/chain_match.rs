//! Which connections a filter chain takes → wire.

use ripstop_model::chain_match::{FilterChainMatch, ServerName, SourceType, TransportProtocol};

use super::common::{cidr_range, u32_value};
use crate::pb;

/// `None` for a chain that takes everything.
pub(super) fn chain_match(matches: &FilterChainMatch) -> Option<pb::FilterChainMatch> {
    if *matches == FilterChainMatch::default() {
        return None;
    }
    let transport_protocol = match matches.transport_protocol {
        None => "",
        Some(TransportProtocol::Plaintext) => "raw_buffer",
        Some(TransportProtocol::Tls) => "tls",
    };
    let source_type = match matches.source_type {
        SourceType::Any => pb::ConnectionSourceType::Any,
        SourceType::SameIpOrLoopback => pb::ConnectionSourceType::SameIpOrLoopback,
        SourceType::External => pb::ConnectionSourceType::External,
    };
    Some(pb::FilterChainMatch {
        destination_port: matches.destination_port.map(|port| u32_value(port.into())),
        prefix_ranges: matches.prefix_ranges.iter().map(cidr_range).collect(),
        server_names: matches.server_names.iter().map(server_name).collect(),
        transport_protocol: transport_protocol.to_owned(),
        application_protocols: matches.application_protocols.iter().map(ToString::to_string).collect(),
        direct_source_prefix_ranges: matches.direct_source_prefix_ranges.iter().map(cidr_range).collect(),
        source_type: source_type.into(),
        source_prefix_ranges: matches.source_prefix_ranges.iter().map(cidr_range).collect(),
        source_ports: matches.source_ports.iter().map(|port| u32::from(*port)).collect(),
        ..Default::default()
    })
}

fn server_name(name: &ServerName) -> String {
    match name {
        ServerName::Exact(name) => name.to_string(),
        ServerName::Suffix(suffix) => format!("*{suffix}"),
    }
}
