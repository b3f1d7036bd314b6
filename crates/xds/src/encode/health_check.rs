//! Active health checks → wire.

use prost::Message;
use ripstop_model::health_check::{
    EndpointHealthCheck, GrpcProbe, HealthCheck, HttpProbe, Probe, ProbeMethod, StatusRange,
};

use super::common::{OrderedStruct, any, bool_value, duration, text_struct, u32_value};
use super::route::mutation;
use super::{common, matcher};
use crate::pb;

/// `envoy.config.core.v3.HealthCheck`, the field with a map
#[derive(Clone, PartialEq, Message)]
struct OrderedCriteria {
    #[prost(message, optional, tag = "23")]
    transport_socket_match_criteria: Option<OrderedStruct>,
}

/// The fields of `envoy.config.cluster.v3.Cluster` for it, to be appended.
#[derive(Clone, PartialEq, Message)]
struct OrderedChecks {
    #[prost(bytes = "vec", repeated, tag = "8")]
    health_checks: Vec<Vec<u8>>,
}

/// The checks of a cluster, as fields that are appended to its own.
pub(super) fn health_checks(check: Option<&HealthCheck>) -> Vec<u8> {
    let encoded = |check: &HealthCheck| {
        let mut bytes = health_check(check).encode_to_vec();
        let criteria = check.transport_labels.as_ref().map(text_struct);
        bytes.extend(OrderedCriteria { transport_socket_match_criteria: criteria }.encode_to_vec());
        bytes
    };
    OrderedChecks { health_checks: check.map(encoded).into_iter().collect() }.encode_to_vec()
}

fn health_check(check: &HealthCheck) -> pb::HealthCheck {
    use pb::health_check::{HealthChecker, TcpHealthCheck, TlsOptions};
    let times = &check.intervals;
    let checker = match &check.probe {
        Probe::Http(http) => HealthChecker::HttpHealthCheck(http_probe(http)),
        Probe::Grpc(grpc) => HealthChecker::GrpcHealthCheck(grpc_probe(grpc)),
        Probe::Tcp(tcp) => HealthChecker::TcpHealthCheck(TcpHealthCheck {
            send: tcp.send.as_deref().map(payload),
            receive: tcp.receive.iter().map(|part| payload(part)).collect(),
            ..Default::default()
        }),
    };
    let sink = |path: &ripstop_model::Name| pb::TypedExtensionConfig {
        name: "envoy.health_check.event_sink.file".to_owned(),
        typed_config: Some(any(&pb::HealthCheckEventFileSink { event_log_path: path.to_string() })),
    };
    let alpn_protocols: Vec<String> = check.alpn.iter().map(ToString::to_string).collect();
    pb::HealthCheck {
        timeout: Some(duration(check.timeout)),
        interval: Some(duration(times.interval)),
        initial_jitter: Some(duration(times.initial_jitter)),
        interval_jitter: Some(duration(times.interval_jitter)),
        interval_jitter_percent: times.interval_jitter_percent,
        unhealthy_threshold: Some(u32_value(check.unhealthy_threshold.get())),
        healthy_threshold: Some(u32_value(check.healthy_threshold.get())),
        reuse_connection: Some(bool_value(check.reuse_connection)),
        no_traffic_interval: Some(duration(times.no_traffic)),
        no_traffic_healthy_interval: Some(duration(times.no_traffic_healthy)),
        unhealthy_interval: Some(duration(times.unhealthy)),
        unhealthy_edge_interval: Some(duration(times.unhealthy_edge)),
        healthy_edge_interval: Some(duration(times.healthy_edge)),
        event_logger: check.log.files.iter().map(sink).collect(),
        always_log_health_check_failures: check.log.every_failure,
        always_log_health_check_success: check.log.every_success,
        tls_options: (!alpn_protocols.is_empty()).then_some(TlsOptions { alpn_protocols }),
        health_checker: Some(checker),
        ..Default::default()
    }
}

fn http_probe(http: &HttpProbe) -> pb::health_check::HttpHealthCheck {
    use pb::{CodecClientType, RequestMethod};
    let method = match http.method {
        ProbeMethod::Get => RequestMethod::Get,
        ProbeMethod::Head => RequestMethod::Head,
        ProbeMethod::Post => RequestMethod::Post,
        ProbeMethod::Put => RequestMethod::Put,
        ProbeMethod::Delete => RequestMethod::Delete,
        ProbeMethod::Options => RequestMethod::Options,
        ProbeMethod::Trace => RequestMethod::Trace,
        ProbeMethod::Patch => RequestMethod::Patch,
    };
    let codec = if http.http2 { CodecClientType::Http2 } else { CodecClientType::Http1 };
    pb::health_check::HttpHealthCheck {
        host: http.host.to_string(),
        path: http.path.to_string(),
        send: http.send.as_deref().map(payload),
        receive: http.receive.iter().map(|part| payload(part)).collect(),
        response_buffer_size: Some(pb::UInt64Value { value: http.response_buffer_bytes }),
        request_headers_to_add: mutation::added(Some(&http.headers)),
        request_headers_to_remove: mutation::removed(Some(&http.headers)),
        expected_statuses: http.expected.iter().map(statuses).collect(),
        retriable_statuses: http.retriable.iter().map(statuses).collect(),
        codec_client_type: codec.into(),
        service_name_matcher: http.service_name.as_ref().map(matcher::string),
        method: method.into(),
    }
}

fn grpc_probe(grpc: &GrpcProbe) -> pb::health_check::GrpcHealthCheck {
    pb::health_check::GrpcHealthCheck {
        service_name: grpc.service.to_string(),
        authority: grpc.authority.to_string(),
        initial_metadata: mutation::added(Some(&grpc.metadata)),
    }
}

fn statuses(range: &StatusRange) -> pb::Int64Range {
    pb::Int64Range { start: range.start.into(), end: range.end.into() }
}

/// Hexadecimal, which every version of Envoy reads; but a text cannot be empty.
fn payload(bytes: &[u8]) -> pb::health_check::Payload {
    use pb::health_check::payload::Payload;
    let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = if bytes.is_empty() { Payload::Binary(Vec::new()) } else { Payload::Text(hex()) };
    pb::health_check::Payload { payload: Some(payload) }
}

/// What an endpoint says about being checked.
pub(super) fn of_endpoint(check: &EndpointHealthCheck) -> pb::endpoint::HealthCheckConfig {
    pb::endpoint::HealthCheckConfig {
        port_value: check.port.map_or(0, |port| port.get().into()),
        hostname: check.hostname.to_string(),
        address: check.address.as_ref().map(common::address),
        disable_active_health_check: check.disabled,
    }
}
