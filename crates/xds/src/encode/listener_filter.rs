//! Listener filters → wire.

use ripstop_model::listener_filter::{ConnectionPredicate, ListenerFilter};

use super::common::{any, u32_value};
use crate::pb;

pub(super) fn listener_filter(filter: &ListenerFilter) -> pb::ListenerFilter {
    let (name, config) = match filter {
        ListenerFilter::TlsInspector(inspector) => (
            "envoy.filters.listener.tls_inspector",
            any(&pb::TlsInspector {
                max_client_hello_size: inspector.max_client_hello_bytes.map(u32_value),
                close_connection_on_client_hello_parsing_errors: inspector.close_on_parse_error,
                ..Default::default()
            }),
        ),
        ListenerFilter::HttpInspector => {
            ("envoy.filters.listener.http_inspector", any(&pb::HttpInspector::default()))
        }
        ListenerFilter::OriginalDst => {
            ("envoy.filters.listener.original_dst", any(&pb::OriginalDst::default()))
        }
        ListenerFilter::ProxyProtocol(filter) => {
            let refused = [
                filter.refuses_v1.then_some(pb::ProxyProtocolVersion::V1),
                filter.refuses_v2.then_some(pb::ProxyProtocolVersion::V2),
            ];
            let config = pb::ProxyProtocol {
                allow_requests_without_proxy_protocol: filter.optional,
                disallowed_versions: refused.into_iter().flatten().map(Into::into).collect(),
                stat_prefix: filter.stat_prefix.to_string(),
                ..Default::default()
            };
            ("envoy.filters.listener.proxy_protocol", any(&config))
        }
    };
    pb::ListenerFilter {
        name: name.to_owned(),
        config_type: Some(pb::listener_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

/// When a filter is left out.
pub(super) fn predicate(of: &ConnectionPredicate) -> pb::ConnectionPredicate {
    use pb::connection_predicate::{MatchSet, Rule};
    let set = |list: &[ConnectionPredicate]| MatchSet { rules: list.iter().map(predicate).collect() };
    let rule = match of {
        ConnectionPredicate::Any => Rule::AnyMatch(true),
        ConnectionPredicate::DestinationPort(range) => {
            Rule::DestinationPortRange(pb::Int32Range { start: range.start.into(), end: range.end.into() })
        }
        ConnectionPredicate::Not(inner) => Rule::NotMatch(Box::new(predicate(inner))),
        ConnectionPredicate::All(list) => Rule::AndMatch(set(list)),
        ConnectionPredicate::OneOf(list) => Rule::OrMatch(set(list)),
    };
    pb::ConnectionPredicate { rule: Some(rule) }
}
