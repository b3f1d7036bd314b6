//! Active health checks, at random.

use std::num::NonZeroU16;

use fastrand::Rng;
use ripstop_model::health_check::{
    EndpointHealthCheck, GrpcProbe, HealthCheck, HealthLog, HealthRules, HttpProbe, Intervals, Probe,
    ProbeMethod, StatusRange, TcpProbe,
};
use ripstop_model::matcher::StringMatch;
use ripstop_model::route::{AppendAction, HeaderAddition, Mutations};
use ripstop_model::{Format, Name};

use super::{address, count, duration, list, name, option, positive};

pub(super) fn rules(rng: &mut Rng) -> HealthRules {
    HealthRules {
        check: option(rng, |rng| Box::new(check(rng))),
        ignore_on_removal: rng.bool(),
        ignore_until_first_check: rng.bool(),
        close_connections_on_failure: rng.bool(),
    }
}

pub(super) fn of_endpoint(rng: &mut Rng) -> Option<Box<EndpointHealthCheck>> {
    let check = EndpointHealthCheck {
        port: option(rng, |rng| rng.u16(1..)).and_then(NonZeroU16::new),
        hostname: text(rng),
        address: option(rng, address),
        disabled: rng.bool(),
    };
    (check != EndpointHealthCheck::default()).then(|| Box::new(check))
}

fn check(rng: &mut Rng) -> HealthCheck {
    HealthCheck {
        timeout: positive(rng),
        intervals: Intervals {
            interval: positive(rng),
            initial_jitter: duration(rng),
            interval_jitter: duration(rng),
            interval_jitter_percent: rng.u32(..),
            no_traffic: positive(rng),
            no_traffic_healthy: positive(rng),
            unhealthy: positive(rng),
            unhealthy_edge: positive(rng),
            healthy_edge: positive(rng),
        },
        unhealthy_threshold: count(rng),
        healthy_threshold: count(rng),
        probe: match rng.u8(0..3) {
            0 => Probe::Http(Box::new(http(rng))),
            1 => Probe::Tcp(TcpProbe { send: option(rng, bytes), receive: list(rng, 3, bytes) }),
            _ => Probe::Grpc(Box::new(GrpcProbe {
                service: text(rng),
                authority: text(rng),
                metadata: Mutations { remove: Vec::new(), add: list(rng, 2, addition) },
            })),
        },
        reuse_connection: rng.bool(),
        log: HealthLog { files: list(rng, 2, name), every_failure: rng.bool(), every_success: rng.bool() },
        alpn: list(rng, 2, name),
        transport_labels: option(rng, |rng| list(rng, 6, |rng| (name(rng), name(rng))).into_iter().collect()),
    }
}

fn http(rng: &mut Rng) -> HttpProbe {
    let method = ProbeMethod::ALL[rng.usize(0..ProbeMethod::ALL.len())];
    let ranges = |rng: &mut Rng| StatusRange { start: rng.u16(100..400), end: rng.u16(400..=600) };
    HttpProbe {
        host: text(rng),
        path: format!("/{}", name(rng)).into(),
        method,
        send: option(rng, bytes).filter(|_| method.takes_body()),
        receive: list(rng, 3, bytes),
        response_buffer_bytes: if rng.bool() { 0 } else { rng.u64(1000..) },
        headers: Mutations { remove: list(rng, 2, lower), add: list(rng, 2, addition) },
        expected: std::iter::once(ranges(rng)).chain(list(rng, 2, ranges)).collect(),
        retriable: list(rng, 2, ranges),
        http2: rng.bool(),
        service_name: option(rng, |rng| StringMatch::exact(name(rng))),
    }
}

fn addition(rng: &mut Rng) -> HeaderAddition {
    let actions = [
        AppendAction::Append,
        AppendAction::AddIfAbsent,
        AppendAction::Overwrite,
        AppendAction::OverwriteIfExists,
    ];
    HeaderAddition {
        name: lower(rng),
        value: Format::literal(&name(rng)),
        action: actions[rng.usize(0..actions.len())],
        keep_empty: rng.bool(),
    }
}

/// The first letter keeps it from being `host`.
fn lower(rng: &mut Rng) -> Name {
    format!("x{}", name(rng)).to_ascii_lowercase().into()
}

fn text(rng: &mut Rng) -> Name {
    if rng.bool() { name(rng) } else { "".into() }
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    list(rng, 9, |rng| rng.u8(..))
}
