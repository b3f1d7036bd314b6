//! Network filters ← wire: those that may refuse a connection, and the terminal one.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::network_filter::{
    ConnectBackoff, ConnectionFilter, ConnectionLimit, LocalRateLimit, TcpProxy, TokenBucket, Tunneling,
    WeightedTcpCluster,
};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_model::{NetworkFilter, Percent};

use super::access_log::access_log;
use super::common::{Context, duration, inline_text, is, percent, type_name, unpack};
use super::route::addition;
use super::runtime::runtime_feature;
use super::{format, http_manager, rbac};
use crate::pb;

/// Reads the filters of a chain; the last is the terminal one.
pub(super) fn filters(
    cx: &mut Context,
    filters: &[pb::Filter],
) -> Option<(Vec<ConnectionFilter>, NetworkFilter)> {
    let Some((last, before)) = filters.split_last() else {
        return Some((Vec::new(), NetworkFilter::Nothing));
    };
    let mut connection_filters = Vec::new();
    for (index, filter) in before.iter().enumerate() {
        connection_filters.extend(cx.item("filters", index, |cx| typed(cx, filter, connection_filter)));
    }
    let terminal = cx.item("filters", before.len(), |cx| typed(cx, last, terminal_filter))?;
    Some((connection_filters, terminal))
}

fn typed<T>(
    cx: &mut Context,
    filter: &pb::Filter,
    read: fn(&mut Context, &pb::Any) -> Option<T>,
) -> Option<T> {
    match &filter.config_type {
        Some(pb::filter::ConfigType::TypedConfig(any)) => cx.at("typed_config", |cx| read(cx, any)),
        _ => cx.refuse(format!("network filter '{}' needs a typed_config", filter.name)),
    }
}

fn connection_filter(cx: &mut Context, any: &pb::Any) -> Option<ConnectionFilter> {
    if is::<pb::ConnectionLimit>(any) {
        let wire: pb::ConnectionLimit = unpack(cx, any)?;
        Some(ConnectionFilter::ConnectionLimit(ConnectionLimit {
            stat_prefix: wire.stat_prefix.as_str().into(),
            max_connections: wire.max_connections.as_ref().map_or(0, |max| max.value),
            delay: duration(cx, "delay", wire.delay.as_ref()),
            enabled: enabled(cx, wire.runtime_enabled.as_ref())?,
        }))
    } else if is::<pb::NetworkRateLimit>(any) {
        let wire: pb::NetworkRateLimit = unpack(cx, any)?;
        let bucket = cx.at("token_bucket", |cx| token_bucket(cx, wire.token_bucket.as_ref()));
        Some(ConnectionFilter::LocalRateLimit(LocalRateLimit {
            stat_prefix: wire.stat_prefix.as_str().into(),
            bucket: bucket?,
            share_key: wire.share_key.as_str().into(),
            enabled: enabled(cx, wire.runtime_enabled.as_ref())?,
        }))
    } else if is::<pb::NetworkRbac>(any) {
        let wire: pb::NetworkRbac = unpack(cx, any)?;
        Some(ConnectionFilter::Rbac(rbac::rbac(cx, &wire)?))
    } else if is::<pb::SniCluster>(any) {
        Some(ConnectionFilter::SniCluster)
    } else if is::<pb::TcpProxy>(any) || is::<pb::HttpConnectionManager>(any) {
        cx.refuse("serves the connection and has to be the last filter")
    } else {
        cx.refuse(format!("network filter {} is not supported", type_name(any)))
    }
}

fn terminal_filter(cx: &mut Context, any: &pb::Any) -> Option<NetworkFilter> {
    if is::<pb::HttpConnectionManager>(any) {
        let wire: pb::HttpConnectionManager = unpack(cx, any)?;
        Some(NetworkFilter::Http(Box::new(http_manager::http_manager(cx, &wire)?)))
    } else if is::<pb::TcpProxy>(any) {
        let wire: pb::TcpProxy = unpack(cx, any)?;
        Some(NetworkFilter::Tcp(tcp_proxy(cx, &wire)?))
    } else if is::<pb::Echo>(any) {
        Some(NetworkFilter::Echo)
    } else if is::<pb::DirectResponse>(any) {
        let wire: pb::DirectResponse = unpack(cx, any)?;
        let text = match &wire.response {
            Some(source) => cx.at("response", |cx| inline_text(cx, source))?,
            None => String::new(),
        };
        Some(NetworkFilter::DirectResponse(text.into()))
    } else {
        cx.refuse(format!("network filter {} is not supported as the last one", type_name(any)))
    }
}

/// Without a flag it is in force.
fn enabled(cx: &mut Context, wire: Option<&pb::RuntimeFeatureFlag>) -> Option<RuntimeFeature> {
    match wire {
        Some(wire) => cx.at("runtime_enabled", |cx| runtime_feature(cx, wire)),
        None => Some(RuntimeFeature { key: "".into(), default: true }),
    }
}

/// Envoy refuses shorter ones.
const MIN_FILL_INTERVAL: Duration = Duration::from_millis(50);

fn token_bucket(cx: &mut Context, wire: Option<&pb::TokenBucket>) -> Option<TokenBucket> {
    let Some(wire) = wire else { return cx.refuse("is needed") };
    let fill_interval = duration(cx, "fill_interval", wire.fill_interval.as_ref())?;
    if fill_interval < MIN_FILL_INTERVAL {
        return cx.at("fill_interval", |cx| cx.refuse("must be at least 50 ms"));
    }
    let one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Some(TokenBucket {
        max_tokens: one(wire.max_tokens),
        tokens_per_fill: one(wire.tokens_per_fill.as_ref().map_or(1, |tokens| tokens.value)),
        fill_interval,
    })
}

fn tcp_proxy(cx: &mut Context, wire: &pb::TcpProxy) -> Option<TcpProxy> {
    use pb::tcp_proxy::ClusterSpecifier;
    let idle_timeout = duration(cx, "idle_timeout", wire.idle_timeout.as_ref());
    let max_duration =
        duration(cx, "max_downstream_connection_duration", wire.max_downstream_connection_duration.as_ref());
    let jitter = percent(
        cx,
        "max_downstream_connection_duration_jitter_percentage",
        wire.max_downstream_connection_duration_jitter_percentage.as_ref(),
    );
    let access_logs = cx.items("access_log", &wire.access_log, access_log);
    let clusters = match &wire.cluster_specifier {
        Some(ClusterSpecifier::Cluster(cluster)) if !cluster.is_empty() => {
            vec![WeightedTcpCluster { name: cluster.as_str().into(), weight: 1 }]
        }
        Some(ClusterSpecifier::WeightedClusters(split)) => {
            let share = |_: &mut Context, wire: &pb::TcpClusterWeight| {
                Some(WeightedTcpCluster { name: wire.name.as_str().into(), weight: wire.weight })
            };
            cx.at("weighted_clusters", |cx| cx.items("clusters", &split.clusters, share))
        }
        _ => return cx.at("cluster", |cx| cx.refuse("a cluster or weighted_clusters must be named")),
    };
    let attempts = wire.max_connect_attempts.as_ref().map_or(1, |attempts| attempts.value);
    let backoff = wire.backoff_options.as_ref().and_then(|wire| {
        cx.at("backoff_options", |cx| {
            let base = duration(cx, "base_interval", wire.base_interval.as_ref())?;
            let max = duration(cx, "max_interval", wire.max_interval.as_ref()).unwrap_or(base * 10);
            match max < base {
                true => cx.at("max_interval", |cx| cx.refuse("must not be shorter than base_interval")),
                false => Some(ConnectBackoff { base, max }),
            }
        })
    });
    let tunneling = match &wire.tunneling_config {
        Some(wire) => Some(Box::new(cx.at("tunneling_config", |cx| tunneling(cx, wire))?)),
        None => None,
    };
    Some(TcpProxy {
        tunneling,
        stat_prefix: wire.stat_prefix.as_str().into(),
        clusters,
        idle_timeout,
        max_duration,
        max_duration_jitter: jitter.unwrap_or(Percent::ZERO),
        max_connect_attempts: NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN),
        backoff,
        access_logs,
    })
}

fn tunneling(cx: &mut Context, wire: &pb::tcp_proxy::TunnelingConfig) -> Option<Tunneling> {
    let hostname = cx.at("hostname", |cx| format::text(cx, &wire.hostname));
    if !wire.post_path.is_empty() && !wire.use_post {
        return cx.at("post_path", |cx| cx.refuse("has a meaning with use_post alone"));
    }
    if !wire.post_path.is_empty() && !wire.post_path.starts_with('/') {
        return cx.at("post_path", |cx| cx.refuse("must begin with a slash"));
    }
    let path = if wire.post_path.is_empty() { "/" } else { wire.post_path.as_str() };
    Some(Tunneling {
        hostname: hostname?,
        post_path: wire.use_post.then(|| path.into()),
        headers: cx.items("headers_to_add", &wire.headers_to_add, addition),
    })
}
