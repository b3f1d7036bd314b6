//! Active health checks ← wire.

use std::num::{NonZeroU16, NonZeroU32};

use ripstop_model::Name;
use ripstop_model::health_check::{
    EndpointHealthCheck, GrpcProbe, HealthCheck, HealthLog, HealthRules, HttpProbe, Intervals, Probe,
    ProbeMethod, StatusRange, TcpProbe,
};
use ripstop_model::route::{HeaderAddition, Mutations};

use super::common::{Context, address, duration, is, is_true, positive_duration, type_name, unpack};
use super::route::mutation;
use super::{common, matcher};
use crate::pb;

/// What a cluster says about the health of its endpoints.
pub(super) fn rules(cx: &mut Context, wire: &pb::Cluster) -> Option<HealthRules> {
    let common = wire.common_lb_config.as_ref();
    if wire.health_checks.len() > 1 {
        return cx.at("health_checks", |cx| cx.refuse("a cluster has at most one health check"));
    }
    let check = match wire.health_checks.first() {
        Some(check) => Some(Box::new(cx.item("health_checks", 0, |cx| health_check(cx, check))?)),
        None => None,
    };
    Some(HealthRules {
        check,
        ignore_on_removal: wire.ignore_health_on_host_removal,
        ignore_until_first_check: common.is_some_and(|common| common.ignore_new_hosts_until_first_hc),
        close_connections_on_failure: wire.close_connections_on_host_health_failure,
    })
}

fn health_check(cx: &mut Context, wire: &pb::HealthCheck) -> Option<HealthCheck> {
    let timeout = positive_duration(cx, "timeout", wire.timeout.as_ref());
    let intervals = intervals(cx, wire);
    let unhealthy_threshold = threshold(cx, "unhealthy_threshold", wire.unhealthy_threshold.as_ref());
    let healthy_threshold = threshold(cx, "healthy_threshold", wire.healthy_threshold.as_ref());
    let log = log(cx, wire);
    let alpn = wire.tls_options.as_ref().map_or(&[][..], |options| &options.alpn_protocols);
    let criteria = wire.transport_socket_match_criteria.as_ref();
    let transport_labels = criteria
        .map(|criteria| cx.at("transport_socket_match_criteria", |cx| common::text_labels(cx, criteria)));
    Some(HealthCheck {
        probe: probe(cx, wire)?,
        // Both are required by Envoy's rules, which were checked.
        timeout: timeout?,
        intervals: intervals?,
        unhealthy_threshold,
        healthy_threshold,
        reuse_connection: wire.reuse_connection.as_ref().is_none_or(|reuse| is_true(Some(reuse))),
        log,
        alpn: alpn.iter().map(|name| name.as_str().into()).collect(),
        transport_labels,
    })
}

fn threshold(cx: &mut Context, field: &str, wire: Option<&pb::UInt32Value>) -> NonZeroU32 {
    NonZeroU32::new(wire.map_or(1, |value| value.value)).unwrap_or_else(|| {
        cx.at(field, |cx| cx.warn("0 counts as 1"));
        NonZeroU32::MIN
    })
}

fn intervals(cx: &mut Context, wire: &pb::HealthCheck) -> Option<Intervals> {
    let interval = positive_duration(cx, "interval", wire.interval.as_ref());
    let initial_jitter = duration(cx, "initial_jitter", wire.initial_jitter.as_ref());
    let interval_jitter = duration(cx, "interval_jitter", wire.interval_jitter.as_ref());
    let mut positive = |field: &str, wire: Option<&pb::Duration>| positive_duration(cx, field, wire);
    let no_traffic = positive("no_traffic_interval", wire.no_traffic_interval.as_ref());
    let no_traffic_healthy =
        positive("no_traffic_healthy_interval", wire.no_traffic_healthy_interval.as_ref());
    let unhealthy = positive("unhealthy_interval", wire.unhealthy_interval.as_ref());
    let unhealthy_edge = positive("unhealthy_edge_interval", wire.unhealthy_edge_interval.as_ref());
    let healthy_edge = positive("healthy_edge_interval", wire.healthy_edge_interval.as_ref());
    let interval = interval?;
    let no_traffic = no_traffic.unwrap_or(Intervals::DEFAULT_NO_TRAFFIC);
    let unhealthy = unhealthy.unwrap_or(interval);
    Some(Intervals {
        interval,
        initial_jitter: initial_jitter.unwrap_or_default(),
        interval_jitter: interval_jitter.unwrap_or_default(),
        interval_jitter_percent: wire.interval_jitter_percent,
        no_traffic,
        no_traffic_healthy: no_traffic_healthy.unwrap_or(no_traffic),
        unhealthy,
        unhealthy_edge: unhealthy_edge.unwrap_or(unhealthy),
        healthy_edge: healthy_edge.unwrap_or(interval),
    })
}

#[allow(deprecated, reason = "Envoy still writes to the file that `event_log_path` names")]
fn log(cx: &mut Context, wire: &pb::HealthCheck) -> HealthLog {
    let mut files: Vec<Name> = Vec::new();
    if !wire.event_log_path.is_empty() {
        files.push(wire.event_log_path.as_str().into());
    }
    files.extend(cx.items("event_logger", &wire.event_logger, event_sink));
    HealthLog {
        files,
        every_failure: wire.always_log_health_check_failures,
        every_success: wire.always_log_health_check_success,
    }
}

fn event_sink(cx: &mut Context, wire: &pb::TypedExtensionConfig) -> Option<Name> {
    let Some(any) = &wire.typed_config else { return cx.at("typed_config", |cx| cx.refuse("is needed")) };
    cx.at("typed_config", |cx| {
        if !is::<pb::HealthCheckEventFileSink>(any) {
            return cx.refuse(format!("{} is not supported (only HealthCheckEventFileSink)", type_name(any)));
        }
        let sink: pb::HealthCheckEventFileSink = unpack(cx, any)?;
        Some(sink.event_log_path.as_str().into())
    })
}

fn probe(cx: &mut Context, wire: &pb::HealthCheck) -> Option<Probe> {
    use pb::health_check::HealthChecker;
    match &wire.health_checker {
        Some(HealthChecker::HttpHealthCheck(http)) => {
            cx.at("http_health_check", |cx| http_probe(cx, http)).map(Box::new).map(Probe::Http)
        }
        Some(HealthChecker::TcpHealthCheck(tcp)) => cx.at("tcp_health_check", |cx| {
            let send = cx.at("send", |cx| sent(cx, tcp.send.as_ref()));
            Some(Probe::Tcp(TcpProbe { send: send?, receive: cx.items("receive", &tcp.receive, bytes) }))
        }),
        Some(HealthChecker::GrpcHealthCheck(grpc)) => cx.at("grpc_health_check", |cx| {
            Some(Probe::Grpc(Box::new(GrpcProbe {
                service: grpc.service_name.as_str().into(),
                authority: grpc.authority.as_str().into(),
                metadata: Mutations {
                    remove: Vec::new(),
                    add: cx.items("initial_metadata", &grpc.initial_metadata, addition),
                },
            })))
        }),
        Some(HealthChecker::CustomHealthCheck(custom)) => cx.at("custom_health_check", |cx| {
            cx.refuse(format!("'{}' is not supported (only HTTP, TCP and gRPC)", custom.name))
        }),
        None => cx.refuse("needs one of http_health_check, tcp_health_check and grpc_health_check"),
    }
}

fn http_probe(cx: &mut Context, wire: &pb::health_check::HttpHealthCheck) -> Option<HttpProbe> {
    use pb::CodecClientType;
    let method = method(cx, wire.method);
    let send = cx.at("send", |cx| sent(cx, wire.send.as_ref()))?;
    if send.is_some() && method.is_some_and(|method| !method.takes_body()) {
        cx.at("send", |cx| cx.reject("needs one of the methods POST, PUT, PATCH and OPTIONS"));
    }
    let receive = cx.items("receive", &wire.receive, bytes);
    let buffer = wire.response_buffer_size.as_ref();
    let buffer = buffer.map_or(HttpProbe::DEFAULT_RESPONSE_BUFFER_BYTES, |size| size.value);
    let wanted: usize = receive.iter().map(Vec::len).sum();
    if buffer != 0 && wanted as u64 > buffer {
        cx.at("receive", |cx| cx.reject(format!("is longer than response_buffer_size, which is {buffer}")));
    }
    let expected = cx.items("expected_statuses", &wire.expected_statuses, statuses);
    let retriable = cx.items("retriable_statuses", &wire.retriable_statuses, statuses);
    let http2 = match CodecClientType::try_from(wire.codec_client_type) {
        Ok(CodecClientType::Http1) => Some(false),
        Ok(CodecClientType::Http2) => Some(true),
        _ => cx.at("codec_client_type", |cx| cx.refuse("only HTTP1 and HTTP2 are supported")),
    };
    let service_name = match &wire.service_name_matcher {
        Some(rule) => Some(cx.at("service_name_matcher", |cx| matcher::string(cx, rule))?),
        None => None,
    };
    Some(HttpProbe {
        host: wire.host.as_str().into(),
        path: wire.path.as_str().into(),
        method: method?,
        send,
        receive,
        response_buffer_bytes: buffer,
        headers: Mutations {
            remove: mutation::removed(cx, "request_headers_to_remove", &wire.request_headers_to_remove),
            add: cx.items("request_headers_to_add", &wire.request_headers_to_add, addition),
        },
        expected: if expected.is_empty() { HttpProbe::get("").expected } else { expected },
        retriable,
        http2: http2?,
        service_name,
    })
}

fn method(cx: &mut Context, wire: i32) -> Option<ProbeMethod> {
    use pb::RequestMethod;
    let method = match RequestMethod::try_from(wire) {
        Ok(RequestMethod::MethodUnspecified | RequestMethod::Get) => ProbeMethod::Get,
        Ok(RequestMethod::Head) => ProbeMethod::Head,
        Ok(RequestMethod::Post) => ProbeMethod::Post,
        Ok(RequestMethod::Put) => ProbeMethod::Put,
        Ok(RequestMethod::Delete) => ProbeMethod::Delete,
        Ok(RequestMethod::Options) => ProbeMethod::Options,
        Ok(RequestMethod::Trace) => ProbeMethod::Trace,
        Ok(RequestMethod::Patch) => ProbeMethod::Patch,
        Ok(RequestMethod::Connect) | Err(_) => return cx.at("method", |cx| cx.refuse("is not supported")),
    };
    Some(method)
}

fn statuses(cx: &mut Context, wire: &pb::Int64Range) -> Option<StatusRange> {
    match (u16::try_from(wire.start), u16::try_from(wire.end)) {
        (Ok(start), Ok(end)) if start < end && start >= 100 && end <= 600 => Some(StatusRange { start, end }),
        _ => cx.refuse("must be a range within 100 and 600 whose end is above its start"),
    }
}

/// A header whose value holds no operators: there is no request that they could tell of.
fn addition(cx: &mut Context, wire: &pb::HeaderValueOption) -> Option<HeaderAddition> {
    let addition = mutation::addition(cx, wire)?;
    if addition.value.operators().next().is_some() {
        return cx.at("header", |cx| {
            cx.at("value", |cx| cx.refuse("operators are not supported in the headers of health checks"))
        });
    }
    Some(addition)
}

#[allow(clippy::option_option, reason = "nothing to be sent, or something that cannot be read")]
fn sent(cx: &mut Context, wire: Option<&pb::health_check::Payload>) -> Option<Option<Vec<u8>>> {
    match wire {
        None => Some(None),
        Some(payload) => bytes(cx, payload).map(Some),
    }
}

/// A text is hexadecimal.
fn bytes(cx: &mut Context, wire: &pb::health_check::Payload) -> Option<Vec<u8>> {
    use pb::health_check::payload::Payload;
    match &wire.payload {
        Some(Payload::Binary(bytes)) => Some(bytes.clone()),
        Some(Payload::Text(text)) => match hex(text) {
            Some(bytes) => Some(bytes),
            None => cx.at("text", |cx| cx.refuse("must be hexadecimal, two digits for each byte")),
        },
        None => cx.refuse("needs one of text and binary"),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// What an endpoint says about being checked; `None` where it says nothing.
#[allow(clippy::option_option, reason = "nothing said, or something that cannot be read")]
pub(super) fn of_endpoint(
    cx: &mut Context,
    wire: Option<&pb::endpoint::HealthCheckConfig>,
) -> Option<Option<Box<EndpointHealthCheck>>> {
    let Some(wire) = wire else { return Some(None) };
    let target = match &wire.address {
        Some(wire) => Some(cx.at("address", |cx| address(cx, Some(wire)))?),
        None => None,
    };
    // At most 65535 by Envoy's rules, which were checked.
    let port = u16::try_from(wire.port_value).ok().and_then(NonZeroU16::new);
    let check = EndpointHealthCheck {
        port,
        hostname: wire.hostname.as_str().into(),
        address: target,
        disabled: wire.disable_active_health_check,
    };
    Some((check != EndpointHealthCheck::default()).then(|| Box::new(check)))
}
