//! Reads Istio's `TrafficPolicy`, of a service, of a subset and of a port alike.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ripstop_model::Percent;
use ripstop_model::cluster::{BudgetBase, RetryBudget};
use ripstop_model::tls::ProxyVersion;
use ripstop_yaml::Reader;

use crate::document::common::{Decoder, host, positive_duration, required_port};
use crate::document::{client_tls, connection_pool, load_balancer};
use crate::resource::{HttpTunnel, Outlier, TrafficPolicy};

pub(super) fn decode(decoder: &Decoder<'_>, reader: Reader<'_>) -> TrafficPolicy {
    let mut policy = sections(decoder, &reader);
    policy.retry_budget = reader.map("retryBudget").map(retry_budget);
    for port in reader.maps("portLevelSettings") {
        let number = port.required("port").and_then(|field| field.map()).and_then(|port| {
            let number = required_port(&port, "number");
            port.finish();
            number
        });
        let own = sections(decoder, &port);
        if let Some(number) = number
            && policy.ports.insert(number, own).is_some()
        {
            port.error("port", format!("port {number} has settings already"));
        }
        port.finish();
    }
    policy.tunnel = reader.map("tunnel").and_then(tunnel);
    policy.proxy_protocol = reader.map("proxyProtocol").map(proxy_protocol);
    reader.finish();
    policy
}

/// What ports and whole services have alike.
fn sections(decoder: &Decoder<'_>, reader: &Reader<'_>) -> TrafficPolicy {
    TrafficPolicy {
        load_balancer: reader.map("loadBalancer").map(load_balancer::decode),
        connection_pool: reader.map("connectionPool").map(connection_pool::decode),
        outlier: reader.map("outlierDetection").map(outlier),
        tls: reader.map("tls").map(|reader| client_tls::decode(decoder, reader)),
        retry_budget: None,
        proxy_protocol: None,
        tunnel: None,
        ports: BTreeMap::new(),
    }
}

fn proxy_protocol(reader: Reader<'_>) -> ProxyVersion {
    let versions = [("V1", ProxyVersion::V1), ("V2", ProxyVersion::V2)];
    let version = reader.one_of("version", &versions).unwrap_or(ProxyVersion::V1);
    reader.finish();
    version
}

fn tunnel(reader: Reader<'_>) -> Option<HttpTunnel> {
    let post = reader.one_of("protocol", &[("CONNECT", false), ("POST", true)]).unwrap_or(false);
    let host = reader.required("targetHost").and_then(|field| match field.str()?.parse() {
        Ok(IpAddr::V6(address)) => Some(format!("[{address}]")),
        Ok(address) => Some(address.to_string()),
        Err(_) => host(&field, false).map(|name| name.to_string()),
    });
    let port = required_port(&reader, "targetPort");
    reader.finish();
    Some(HttpTunnel { post, target: format!("{}:{}", host?, port?).into() })
}

/// Reads `retryBudget`.
pub(super) fn retry_budget(reader: Reader<'_>) -> RetryBudget {
    let default = RetryBudget::default();
    let budget = reader.f64("percent").map(|number| {
        let percent = Percent::from_f64(number);
        if percent.is_none() {
            reader.error("percent", "a percentage is 0 to 100");
        }
        percent.unwrap_or(default.budget)
    });
    let min_concurrency = reader.u32("minRetryConcurrency");
    reader.finish();
    RetryBudget {
        budget: budget.unwrap_or(default.budget),
        min_concurrency: min_concurrency.unwrap_or(default.min_concurrency),
        // What is written is meant as Envoy counts it.
        of: BudgetBase::AllRequests,
    }
}

/// Reads `outlierDetection`.
pub(super) fn outlier(reader: Reader<'_>) -> Outlier {
    let outlier = Outlier {
        consecutive_5xx: reader.u32("consecutive5xxErrors"),
        consecutive_gateway_errors: reader.u32("consecutiveGatewayErrors"),
        split_local_origin: reader.bool("splitExternalLocalOriginErrors").unwrap_or(false),
        consecutive_local_origin: reader.u32("consecutiveLocalOriginFailures"),
        interval: positive_duration(&reader, "interval"),
        base_ejection_time: positive_duration(&reader, "baseEjectionTime"),
        max_ejection_percent: percent(&reader, "maxEjectionPercent"),
        min_health_percent: percent(&reader, "minHealthPercent"),
    };
    if outlier.consecutive_local_origin.is_some() && !outlier.split_local_origin {
        reader.warn(
            "consecutiveLocalOriginFailures",
            "it counts only with `splitExternalLocalOriginErrors: true`, so it has no effect",
        );
    }
    reader.known_but_unsupported("consecutiveErrors", "it was replaced by consecutiveGatewayErrors");
    reader.finish();
    outlier
}

fn percent(reader: &Reader<'_>, key: &str) -> Option<Percent> {
    let percent = reader.u32(key)?;
    if percent > 100 {
        reader.error(key, "a percentage is 0 to 100");
    }
    Some(Percent::whole(percent))
}
