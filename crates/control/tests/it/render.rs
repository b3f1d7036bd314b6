//! A snapshot as text that people can read and `diff` can compare. It shows everything that differs between cases and
//! leaves out what is the same in all of them.

use std::fmt::{Display, Write};

use ripstop_model::cluster::{Discovery, UpstreamProtocol};
use ripstop_model::endpoint::Locality;
use ripstop_model::fault::{FaultAbort, FaultDelay};
use ripstop_model::http_filter::FilterOverride;
use ripstop_model::http_manager::RouteSource;
use ripstop_model::load_balancing::LocalityBalancing;
use ripstop_model::mirror::MirrorTarget;
use ripstop_model::network_filter::WeightedTcpCluster;
use ripstop_model::route::{
    ClusterChoice, HeaderMutations, HostRewrite, PathRewrite, RequireTls, RouteAction,
};
use ripstop_model::tls::{CertificateSource, PeerValidation, TlsParams};
use ripstop_model::upstream_connection::UpstreamConnection;
use ripstop_model::{
    Cluster, ClusterLoadAssignment, FilterChain, HttpConnectionManager, Listener, NetworkFilter, Route,
    RouteConfiguration, Snapshot,
};

pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for one in snapshot.listeners.values() {
        listener(&mut out, one);
    }
    for one in snapshot.routes.values() {
        writeln!(out, "routes {}", one.name).unwrap();
        routes(&mut out, one, "  ");
    }
    for one in snapshot.clusters.values() {
        cluster(&mut out, one);
    }
    for one in snapshot.endpoints.values() {
        writeln!(out, "endpoints {}", one.cluster_name).unwrap();
        endpoints(&mut out, one);
    }
    out
}

fn listener(out: &mut String, one: &Listener) {
    let inspector = if one.listener_filters.is_empty() { "" } else { ", tls inspector" };
    writeln!(out, "listener {} on {}, {:?}{inspector}", one.name, one.address, one.direction).unwrap();
    for one in &one.filter_chains {
        chain(out, one);
    }
}

fn allowed(peer: &PeerValidation) -> String {
    match peer {
        PeerValidation::Mesh(peer) => list(peer.allowed.iter(), "every identity of the trust domain"),
        other => format!("{other:?}"),
    }
}

fn chain(out: &mut String, one: &FilterChain) {
    let names: Vec<String> = one.matches.server_names.iter().map(|name| format!("{name:?}")).collect();
    let ranges = one.matches.prefix_ranges.iter().map(|range| range.to_string());
    let what = debug_or(one.matches.transport_protocol, "everything");
    let conditions: Vec<String> = std::iter::once(what).chain(names).chain(ranges).collect();
    writeln!(out, "  chain {} for {}", one.name, conditions.join(" ")).unwrap();
    if let Some(tls) = &one.tls {
        let peer = tls.peer.as_ref().map_or_else(|| "nobody asked".to_owned(), allowed);
        let must = if tls.require_client_certificate { "" } else { " if at all" };
        let alpn = list(tls.alpn.iter(), "none");
        writeln!(out, "    tls: clients {peer}{must}; alpn {alpn}; {:?}", tls.certificates).unwrap();
        if tls.params != TlsParams::default() {
            writeln!(out, "    tls: {:?}", tls.params).unwrap();
        }
    }
    match &one.filter {
        NetworkFilter::Http(one) => manager(out, one),
        NetworkFilter::Tcp(tcp) => {
            let share = |share: &WeightedTcpCluster| match tcp.clusters.len() {
                1 => share.name.to_string(),
                _ => format!("{} of {}", share.weight, share.name),
            };
            let idle = tcp.idle_timeout.map_or(String::new(), |idle| format!(", idle {idle:?}"));
            let clusters = list(tcp.clusters.iter().map(share), "nothing");
            let age = tcp.max_duration.map_or(String::new(), |age| format!(", at most {age:?}"));
            writeln!(out, "    tcp {} to {clusters}{idle}{age}", tcp.stat_prefix).unwrap();
            if let Some(tunnel) = &tcp.tunneling {
                let how = if tunnel.post_path.is_some() { "POST" } else { "CONNECT" };
                writeln!(out, "    tunnel by {how} to {}", tunnel.hostname.source()).unwrap();
            }
        }
        NetworkFilter::Echo => writeln!(out, "    echo").unwrap(),
        NetworkFilter::Nothing => writeln!(out, "    closes").unwrap(),
        NetworkFilter::DirectResponse(text) => writeln!(out, "    says {text}").unwrap(),
    }
}

fn manager(out: &mut String, one: &HttpConnectionManager) {
    let edge = if one.use_remote_address { ", edge" } else { "" };
    let logs = one.access_logs.len();
    writeln!(
        out,
        "    http {}, xfcc {:?}, {logs} access log{edge}",
        one.stat_prefix, one.forward_client_cert
    )
    .unwrap();
    match &one.routes {
        RouteSource::File { name, .. } => writeln!(out, "    file {name}").unwrap(),
        RouteSource::Rds(name) => writeln!(out, "    rds {name}").unwrap(),
        RouteSource::Inline(config) => {
            writeln!(out, "    routes {}", config.name).unwrap();
            routes(out, config, "      ");
        }
    }
}

fn routes(out: &mut String, config: &RouteConfiguration, indent: &str) {
    for host in &config.virtual_hosts {
        let tls = if host.require_tls == RequireTls::None { "" } else { ", wants TLS" };
        writeln!(out, "{indent}host {} for {}{tls}", host.name, list(host.domains.iter(), "nothing"))
            .unwrap();
        for one in &host.routes {
            route(out, one, indent);
        }
    }
}

fn route(out: &mut String, one: &Route, indent: &str) {
    writeln!(out, "{indent}  route {}", one.name).unwrap();
    let case = if one.matches.case_sensitive { "" } else { ", any case" };
    writeln!(out, "{indent}    if {:?}{case}", one.matches.path).unwrap();
    for header in &one.matches.headers {
        let not = if header.invert { "not " } else { "" };
        let missing = if header.treat_missing_as_empty { " (missing is empty)" } else { "" };
        writeln!(out, "{indent}    if {not}{}: {:?}{missing}", header.name, header.value).unwrap();
    }
    for query in &one.matches.query {
        writeln!(out, "{indent}    if ?{}: {:?}", query.name, query.value).unwrap();
    }
    headers(out, one.headers.as_deref(), &format!("{indent}    "), "");
    for said in one.filters.values() {
        writeln!(out, "{indent}    {}", filter(said)).unwrap();
    }
    match &one.action {
        other @ (RouteAction::Redirect(_) | RouteAction::NonForwarding) => {
            writeln!(out, "{indent}    {other:?}").unwrap();
        }
        RouteAction::DirectResponse(answer) => {
            let body = String::from_utf8_lossy(&answer.body);
            writeln!(out, "{indent}    answer {} {body:?}", answer.status).unwrap();
        }
        RouteAction::Forward(forward) => {
            let to = match &forward.cluster {
                ClusterChoice::Single(name) => name.to_string(),
                ClusterChoice::Header(name) => format!("what {name} says"),
                ClusterChoice::Weighted(split) => list(
                    split.shares.iter().map(|share| format!("{} of {}", share.weight, share.name)),
                    "nothing",
                ),
            };
            writeln!(out, "{indent}    to {to}").unwrap();
            match &forward.rewrite {
                Some(PathRewrite::Prefix(prefix)) => writeln!(out, "{indent}    path {prefix}").unwrap(),
                Some(other) => writeln!(out, "{indent}    path {other:?}").unwrap(),
                None => {}
            }
            if let Some(HostRewrite::Literal(host)) = &forward.host_rewrite {
                writeln!(out, "{indent}    host {host}").unwrap();
            }
            if let ClusterChoice::Weighted(split) = &forward.cluster {
                for share in &split.shares {
                    if let Some(host) = &share.host_rewrite {
                        writeln!(out, "{indent}    host {host} of {}", share.name).unwrap();
                    }
                    let of = format!(" of {}", share.name);
                    headers(out, share.headers.as_deref(), &format!("{indent}    "), &of);
                }
            }
            for hash in &forward.hash {
                writeln!(out, "{indent}    hash {:?}", hash.source).unwrap();
            }
            for one in &forward.mirrors {
                let MirrorTarget::Cluster(name) = &one.target else { panic!("{one:?}") };
                let share = one.share.as_ref().map_or("100%".to_owned(), |share| share.default.to_string());
                writeln!(out, "{indent}    copies of {share} to {name}").unwrap();
            }
            writeln!(out, "{indent}    timeout {:?}", forward.timeout.unwrap()).unwrap();
            if let Some(retry) = &forward.retry {
                let on = list(retry.on.words(), "nothing");
                let per_try = debug_or(retry.per_try_timeout, "no limit");
                let (times, avoid) = (retry.num_retries, retry.avoid_previous_hosts);
                writeln!(
                    out,
                    "{indent}    retry {times} on {on} {:?}; per try {per_try}; back-off {:?} to {:?}; other hosts {avoid} ({})",
                    retry.retriable_statuses, retry.backoff.base, retry.backoff.max, retry.host_selection_attempts
                )
                .unwrap();
                if let Some(tries) = retry.avoid_previous_priorities {
                    writeln!(out, "{indent}    retry elsewhere after {tries} tries").unwrap();
                }
            }
        }
    }
}

/// What is said to a filter.
pub fn filter(said: &FilterOverride) -> String {
    match said {
        FilterOverride::Disabled => "off".to_owned(),
        FilterOverride::Session(session) => format!("{session:?}"),
        FilterOverride::Cors(policy) => {
            let origins =
                list(policy.allow_origins.iter().map(|rule| format!("{:?}", rule.pattern)), "nobody");
            let said =
                [&policy.allow_methods, &policy.allow_headers, &policy.expose_headers, &policy.max_age];
            let said = said.map(|said| said.as_deref().unwrap_or("-").to_owned()).join("; ");
            let (cookies, unmatched) = (policy.allow_credentials, policy.forward_unmatched_preflights);
            format!("pages of {origins}: {said}; cookies {cookies:?}; others are passed on {unmatched:?}")
        }
        FilterOverride::Fault(fault) => {
            let wait =
                |delay: &FaultDelay| format!("{} wait {:?}", delay.share.percent(), delay.fixed.unwrap());
            let fail = |abort: &FaultAbort| format!("{} fail with {:?}", abort.share.percent(), abort.status);
            let parts = fault.delay.iter().map(wait).chain(fault.abort.iter().map(fail));
            format!("faults: {}", list(parts, "none"))
        }
    }
}

fn headers(out: &mut String, changes: Option<&HeaderMutations>, indent: &str, of: &str) {
    let Some(changes) = changes else { return };
    for (message, mutations) in [("request", &changes.request), ("response", &changes.response)] {
        for name in &mutations.remove {
            writeln!(out, "{indent}{message} header {name} removed{of}").unwrap();
        }
        for one in &mutations.add {
            writeln!(
                out,
                "{indent}{message} header {} {:?} {}{of}",
                one.name,
                one.action,
                one.value.source()
            )
            .unwrap();
        }
    }
}

fn cluster(out: &mut String, one: &Cluster) {
    writeln!(out, "cluster {}", one.name).unwrap();
    let protocol = match one.protocol {
        UpstreamProtocol::Http1 => "http/1.1",
        UpstreamProtocol::Http2 => "h2",
        UpstreamProtocol::Auto => "auto",
        UpstreamProtocol::Downstream => "downstream",
    };
    writeln!(
        out,
        "  {:?}, {protocol}, connect {:?}, idle {}, panic {}",
        one.lb.policy,
        one.connect_timeout,
        debug_or(one.idle_timeout, "default"),
        one.lb.panic_threshold
    )
    .unwrap();
    match &one.transport.tls {
        None => writeln!(out, "  plaintext").unwrap(),
        Some(tls) => {
            let allowed = tls.peer.as_ref().map_or_else(|| "nobody asked".to_owned(), allowed);
            writeln!(
                out,
                "  tls: servers {allowed}; sni {}; alpn {}",
                tls.sni,
                list(tls.alpn.iter(), "none")
            )
            .unwrap();
            if tls.certificate != Some(CertificateSource::WorkloadIdentity) {
                let by_name = tls.auto_sni_san_validation;
                writeln!(out, "  tls: shows {:?}; judged by name {by_name}", tls.certificate).unwrap();
            }
        }
    }
    let limit = |n: u32| if n == u32::MAX { "none".to_owned() } else { n.to_string() };
    let limits = &one.limits;
    writeln!(
        out,
        "  limits: connections {}, pending {}, requests {}, retries {}, per connection {}",
        limit(limits.max_connections),
        limit(limits.max_pending_requests),
        limit(limits.max_requests),
        limits.retry_budget.map_or_else(|| limit(limits.max_retries), |budget| budget.budget.to_string()),
        debug_or(one.max_requests_per_connection, "none"),
    )
    .unwrap();
    if let Some(outlier) = &one.outlier {
        writeln!(
            out,
            "  outlier: 5xx {}, gateway {}, local {}, every {:?}, for {:?} to {:?}, at most {}",
            debug_or(outlier.consecutive_5xx.map(|streak| streak.count), "off"),
            debug_or(outlier.consecutive_gateway_failure.map(|streak| streak.count), "off"),
            match outlier.split_local_origin {
                true => debug_or(outlier.consecutive_local_origin_failure.map(|streak| streak.count), "off"),
                false => "counted as 5xx".to_owned(),
            },
            outlier.interval,
            outlier.base_ejection_time,
            outlier.max_ejection_time,
            outlier.max_ejection_percent
        )
        .unwrap();
    }
    if one.connection != UpstreamConnection::default() {
        let UpstreamConnection { keepalive, max_age, .. } = &one.connection;
        writeln!(out, "  connections: {keepalive:?}, at most {}", debug_or(*max_age, "for ever")).unwrap();
    }
    if let Some(version) = one.transport.proxy_protocol {
        writeln!(out, "  PROXY protocol {version:?}").unwrap();
    }
    if let Some(slow_start) = &one.lb.slow_start {
        writeln!(out, "  {slow_start:?}").unwrap();
    }
    if one.lb.locality == LocalityBalancing::Weighted {
        writeln!(out, "  localities by weight").unwrap();
    }
    if let Some(streams) = one.http.http2.max_concurrent_streams {
        writeln!(out, "  streams {streams}").unwrap();
    }
    match &one.discovery {
        Discovery::Eds { .. } | Discovery::EdsFile { .. } => {}
        Discovery::Dns(dns) => {
            writeln!(out, "  dns {:?}", dns.kind).unwrap();
            endpoints(out, &dns.hosts);
        }
        Discovery::Static(assignment) => endpoints(out, assignment),
    }
}

fn endpoints<A: Display>(out: &mut String, assignment: &ClusterLoadAssignment<A>) {
    for group in &assignment.localities {
        let Locality { region, zone, sub_zone } = &group.locality;
        let share = group.weight.map_or(0, |weight| weight.get());
        if !region.is_empty() || group.priority > 0 {
            writeln!(out, "  in {region}/{zone}/{sub_zone}, priority {}, share {share}", group.priority)
                .unwrap();
        }
        for one in &group.endpoints {
            let labels =
                list(one.extra().labels.iter().map(|(key, value)| format!("{key}={value}")), "no labels");
            let weight =
                if one.weight.get() == 1 { String::new() } else { format!(" weight {}", one.weight) };
            writeln!(out, "  {} {} [{labels}]{weight}", one.address, one.hostname).unwrap();
        }
    }
}

fn list<T: Display>(items: impl Iterator<Item = T>, none: &str) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

fn debug_or<T: std::fmt::Debug>(value: Option<T>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| format!("{value:?}"))
}
