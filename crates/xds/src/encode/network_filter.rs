//! Network filters → wire.

use ripstop_model::network_filter::{ConnectionFilter, TcpProxy, TokenBucket, Tunneling};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_model::{NetworkFilter, Percent};

use super::access_log::access_log;
use super::common::{any, duration, inline_string, percent, u32_value};
use super::http_manager::http_manager;
use super::rbac::rbac;
use super::route::addition;
use super::runtime::runtime_feature;
use crate::pb;

pub(super) fn connection_filter(filter: &ConnectionFilter) -> pb::Filter {
    let enabled = |of: &RuntimeFeature| {
        let always = of.key.is_empty() && of.default;
        (!always).then(|| runtime_feature(of))
    };
    let (name, config) = match filter {
        ConnectionFilter::ConnectionLimit(limit) => (
            "envoy.filters.network.connection_limit",
            any(&pb::ConnectionLimit {
                stat_prefix: limit.stat_prefix.to_string(),
                max_connections: Some(pb::UInt64Value { value: limit.max_connections }),
                delay: limit.delay.map(duration),
                runtime_enabled: enabled(&limit.enabled),
            }),
        ),
        ConnectionFilter::LocalRateLimit(limit) => (
            "envoy.filters.network.local_ratelimit",
            any(&pb::NetworkRateLimit {
                stat_prefix: limit.stat_prefix.to_string(),
                token_bucket: Some(token_bucket(&limit.bucket)),
                runtime_enabled: enabled(&limit.enabled),
                share_key: limit.share_key.to_string(),
            }),
        ),
        ConnectionFilter::Rbac(filter) => ("envoy.filters.network.rbac", rbac(filter)),
        ConnectionFilter::SniCluster => {
            ("envoy.filters.network.sni_cluster", any(&pb::SniCluster::default()))
        }
    };
    filter_of(name, config)
}

/// `None`: there is no filter.
pub(super) fn network_filter(filter: &NetworkFilter) -> Option<pb::Filter> {
    let (name, config) = match filter {
        NetworkFilter::Nothing => return None,
        NetworkFilter::Http(manager) => {
            ("envoy.filters.network.http_connection_manager", http_manager(manager))
        }
        NetworkFilter::Tcp(tcp) => ("envoy.filters.network.tcp_proxy", any(&tcp_proxy(tcp))),
        NetworkFilter::Echo => ("envoy.filters.network.echo", any(&pb::Echo::default())),
        NetworkFilter::DirectResponse(text) => {
            let response = Some(inline_string(text));
            ("envoy.filters.network.direct_response", any(&pb::DirectResponse { response }))
        }
    };
    Some(filter_of(name, config))
}

fn filter_of(name: &str, config: pb::Any) -> pb::Filter {
    pb::Filter { name: name.to_owned(), config_type: Some(pb::filter::ConfigType::TypedConfig(config)) }
}

fn token_bucket(bucket: &TokenBucket) -> pb::TokenBucket {
    pb::TokenBucket {
        max_tokens: bucket.max_tokens.get(),
        tokens_per_fill: Some(u32_value(bucket.tokens_per_fill.get())),
        fill_interval: Some(duration(bucket.fill_interval)),
    }
}

fn tcp_proxy(tcp: &TcpProxy) -> pb::TcpProxy {
    use pb::tcp_proxy::ClusterSpecifier;
    let specifier = match tcp.clusters.as_slice() {
        [one] if one.weight == 1 => ClusterSpecifier::Cluster(one.name.to_string()),
        several => ClusterSpecifier::WeightedClusters(pb::tcp_proxy::WeightedCluster {
            clusters: several
                .iter()
                .map(|share| pb::TcpClusterWeight {
                    name: share.name.to_string(),
                    weight: share.weight,
                    ..Default::default()
                })
                .collect(),
        }),
    };
    pb::TcpProxy {
        stat_prefix: tcp.stat_prefix.to_string(),
        cluster_specifier: Some(specifier),
        idle_timeout: tcp.idle_timeout.map(duration),
        max_downstream_connection_duration: tcp.max_duration.map(duration),
        max_downstream_connection_duration_jitter_percentage: (tcp.max_duration_jitter != Percent::ZERO)
            .then(|| percent(tcp.max_duration_jitter)),
        max_connect_attempts: (tcp.max_connect_attempts.get() > 1)
            .then(|| u32_value(tcp.max_connect_attempts.get())),
        backoff_options: tcp.backoff.map(|backoff| pb::BackoffStrategy {
            base_interval: Some(duration(backoff.base)),
            max_interval: Some(duration(backoff.max)),
        }),
        access_log: tcp.access_logs.iter().map(access_log).collect(),
        tunneling_config: tcp.tunneling.as_deref().map(tunneling),
        ..Default::default()
    }
}

fn tunneling(tunneling: &Tunneling) -> pb::tcp_proxy::TunnelingConfig {
    pb::tcp_proxy::TunnelingConfig {
        hostname: tunneling.hostname.source().to_string(),
        use_post: tunneling.post_path.is_some(),
        post_path: tunneling.post_path.as_deref().unwrap_or_default().to_owned(),
        headers_to_add: tunneling.headers.iter().map(addition).collect(),
        ..Default::default()
    }
}
