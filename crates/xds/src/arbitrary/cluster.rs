//! Clusters, at random.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ripstop_model::address::HostPort;
use ripstop_model::cluster::{
    BudgetBase, CircuitLimits, DnsDiscovery, DnsFamily, DnsKind, FailureRefresh, RetryBudget,
    UpstreamProtocol,
};
use ripstop_model::endpoint::{Locality, LocalityEndpoints};
use ripstop_model::http1::{HeaderNames, Http1Options};
use ripstop_model::load_shedding::LoadShedding;
use ripstop_model::upstream_http::{AnswerLimits, RequestServerName, UpstreamHttp};
use ripstop_model::{Cluster, ClusterLoadAssignment, Discovery};

use super::balancing::load_balancing;
use super::circuit_breaker::circuit_breaker;
use super::endpoint::{assignment, endpoint, load_assignment};
use super::health_check;
use super::http2::http2_options;
use super::metadata::metadata;
use super::outlier::outlier;
use super::tls::{transport_match, transport_socket};
use super::upstream_connection::upstream_connection;
use super::{config_file, count, duration, list, name, option, percent, positive};

/// A cluster.
pub(crate) fn cluster(rng: &mut Rng) -> Cluster {
    let protocols = [
        UpstreamProtocol::Http1,
        UpstreamProtocol::Http2,
        UpstreamProtocol::Auto,
        UpstreamProtocol::Downstream,
    ];
    let protocol = protocols[rng.usize(0..protocols.len())];
    let transport = transport_socket(rng);
    let (http1, http2) = match protocol {
        UpstreamProtocol::Http1 => (true, false),
        UpstreamProtocol::Http2 => (false, true),
        UpstreamProtocol::Downstream => (true, true),
        // Without TLS it is said in another way, which leaves no room for options of HTTP/2.
        UpstreamProtocol::Auto => (true, transport.tls.is_some()),
    };
    // It is said for the whole cluster.
    let of = if rng.bool() { BudgetBase::FirstTries } else { BudgetBase::AllRequests };
    let limits = circuit_limits(rng, of);
    let high_limits = if rng.bool() { circuit_limits(rng, of) } else { CircuitLimits::default() };
    Cluster {
        name: name(rng),
        discovery: match rng.u8(0..4) {
            2 => Discovery::EdsFile { service_name: option(rng, name), file: config_file(rng) },
            0 => Discovery::Eds { service_name: option(rng, name) },
            1 => Discovery::Dns(Box::new(dns(rng))),
            _ => Discovery::Static(load_assignment(rng)),
        },
        lb: load_balancing(rng),
        connect_timeout: positive(rng),
        transport,
        transport_matches: list(rng, 2, transport_match),
        protocol,
        http: upstream_http(rng, http1, http2),
        connection: upstream_connection(rng),
        limits,
        high_limits,
        breaker: option(rng, |rng| Box::new(circuit_breaker(rng))),
        shedding: option(rng, |rng| Box::new(load_shedding(rng))),
        outlier: option(rng, outlier),
        health: health_check::rules(rng),
        max_requests_per_connection: option(rng, count),
        idle_timeout: option(rng, duration),
        endpoint_metrics: rng.bool(),
        metadata: metadata(rng),
    }
}

fn load_shedding(rng: &mut Rng) -> LoadShedding {
    let levels: std::collections::BTreeMap<_, _> =
        list(rng, 3, |rng| (name(rng), percent(rng))).into_iter().collect();
    LoadShedding {
        header: name(rng).to_ascii_lowercase().into(),
        levels: levels.into_iter().collect(),
        others: percent(rng),
    }
}

fn circuit_limits(rng: &mut Rng, of: BudgetBase) -> CircuitLimits {
    CircuitLimits {
        max_connections: rng.u32(..),
        max_connections_per_host: option(rng, |rng| rng.u32(..)),
        max_pending_requests: rng.u32(..),
        max_requests: rng.u32(..),
        max_retries: rng.u32(..),
        retry_budget: option(rng, |rng| RetryBudget {
            budget: percent(rng),
            min_concurrency: rng.u32(..),
            of,
        }),
        track_remaining: rng.bool(),
    }
}

pub(super) fn dns(rng: &mut Rng) -> DnsDiscovery {
    let host_port = |rng: &mut Rng| HostPort { host: name(rng), port: rng.u16(..) };
    let kind = if rng.bool() { DnsKind::Strict } else { DnsKind::Logical };
    let hosts = match kind {
        DnsKind::Strict => assignment(rng, host_port),
        DnsKind::Logical => ClusterLoadAssignment {
            cluster_name: name(rng),
            localities: vec![LocalityEndpoints {
                locality: Locality::default(),
                priority: 0,
                weight: option(rng, count),
                endpoints: vec![Arc::new(endpoint(rng, host_port))],
            }],
            overprovisioning_percent: ClusterLoadAssignment::DEFAULT_OVERPROVISIONING_PERCENT,
        },
    };
    let families =
        [DnsFamily::Auto, DnsFamily::V4Only, DnsFamily::V6Only, DnsFamily::V4Preferred, DnsFamily::All];
    DnsDiscovery {
        kind,
        hosts,
        family: families[rng.usize(0..families.len())],
        // Envoy takes no less.
        refresh: duration(rng).max(Duration::from_millis(2)),
        respect_ttl: rng.bool(),
        resolvers: list(rng, 2, |rng| (rng.u32(..).to_be_bytes(), rng.u16(..)).into()),
        jitter: duration(rng),
        after_failure: option(rng, |rng| {
            // Envoy takes no less.
            let base = positive(rng).max(Duration::from_millis(2));
            FailureRefresh { base, max: base + duration(rng) }
        }),
    }
}

fn upstream_http(rng: &mut Rng, http1: bool, http2: bool) -> UpstreamHttp {
    let auto_sni = rng.bool();
    UpstreamHttp {
        server_name: RequestServerName {
            auto_sni,
            auto_san_validation: auto_sni && rng.bool(),
            override_header: option(rng, |rng| name(rng).to_ascii_lowercase().into()),
        },
        http1: if http1 { upstream_http1(rng) } else { Default::default() },
        http1_trailers: http1 && rng.bool(),
        http2: if http2 { http2_options(rng) } else { Default::default() },
        limits: AnswerLimits {
            max_headers_kb: option(rng, |rng| rng.u32(1..=8192)),
            max_headers_count: option(rng, |rng| rng.u32(1..)),
            max_stream_duration: option(rng, duration),
            buffer_bytes: option(rng, |rng| rng.u32(..)),
        },
    }
}

fn upstream_http1(rng: &mut Rng) -> Http1Options {
    let names = [HeaderNames::Lower, HeaderNames::ProperCase, HeaderNames::Preserve];
    Http1Options {
        allow_chunked_length: rng.bool(),
        names: names[rng.usize(0..names.len())],
        ..Http1Options::default()
    }
}
