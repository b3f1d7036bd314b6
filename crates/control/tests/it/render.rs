//! A snapshot as text that people can read and `diff` can compare. It shows everything that differs between cases and
//! leaves out what is the same in all of them.

use std::fmt::{Display, Write};

use ripstop_model::cluster::{Discovery, UpstreamProtocol};
use ripstop_model::http_manager::RouteSource;
use ripstop_model::route::{ClusterChoice, HostRewrite, PathRewrite, RouteAction};
use ripstop_model::tls::PeerValidation;
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
    writeln!(out, "  chain {} for {}", one.name, debug_or(one.matches.transport_protocol, "everything"))
        .unwrap();
    if let Some(tls) = &one.tls {
        let peer = tls.peer.as_ref().map_or_else(|| "nobody asked".to_owned(), allowed);
        writeln!(out, "    tls: clients {peer}; alpn {}", list(tls.alpn.iter(), "none")).unwrap();
    }
    match &one.filter {
        NetworkFilter::Http(one) => manager(out, one),
        NetworkFilter::Tcp(tcp) => {
            let clusters = list(tcp.clusters.iter().map(|share| &share.name), "nothing");
            writeln!(out, "    tcp {} to {clusters}", tcp.stat_prefix).unwrap();
        }
        NetworkFilter::Echo => writeln!(out, "    echo").unwrap(),
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
        writeln!(out, "{indent}host {} for {}", host.name, list(host.domains.iter(), "nothing")).unwrap();
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
            if let Some(PathRewrite::Prefix(prefix)) = &forward.rewrite {
                writeln!(out, "{indent}    path {prefix}").unwrap();
            }
            if let Some(HostRewrite::Literal(host)) = &forward.host_rewrite {
                writeln!(out, "{indent}    host {host}").unwrap();
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
            }
        }
    }
}

fn cluster(out: &mut String, one: &Cluster) {
    writeln!(out, "cluster {}", one.name).unwrap();
    let protocol = match one.protocol {
        UpstreamProtocol::Http1 => "http/1.1",
        UpstreamProtocol::Http2 => "h2",
        UpstreamProtocol::Auto => "auto",
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
            "  outlier: 5xx {}, gateway {}, every {:?}, for {:?} to {:?}, at most {}",
            debug_or(outlier.consecutive_5xx.map(|streak| streak.count), "off"),
            debug_or(outlier.consecutive_gateway_failure.map(|streak| streak.count), "off"),
            outlier.interval,
            outlier.base_ejection_time,
            outlier.max_ejection_time,
            outlier.max_ejection_percent
        )
        .unwrap();
    }
    match &one.discovery {
        Discovery::Eds { .. } | Discovery::EdsFile { .. } | Discovery::Dns(_) => {}
        Discovery::Static(assignment) => endpoints(out, assignment),
    }
}

fn endpoints(out: &mut String, assignment: &ClusterLoadAssignment) {
    for one in assignment.endpoints() {
        let labels = list(one.labels.iter().map(|(key, value)| format!("{key}={value}")), "no labels");
        writeln!(out, "  {} {} [{labels}]", one.address, one.hostname).unwrap();
    }
}

fn list<T: Display>(items: impl Iterator<Item = T>, none: &str) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

fn debug_or<T: std::fmt::Debug>(value: Option<T>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| format!("{value:?}"))
}
