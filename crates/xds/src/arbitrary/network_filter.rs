//! Network filters, at random.

use std::time::Duration;

use fastrand::Rng;
use ripstop_model::matcher::StringMatch;
use ripstop_model::network_filter::{
    ConnectBackoff, ConnectionFilter, ConnectionLimit, LocalRateLimit, TcpProxy, TokenBucket, Tunneling,
    WeightedTcpCluster,
};
use ripstop_model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_model::{Format, NetworkFilter};

use super::access_log::access_log;
use super::http_manager::http_manager;
use super::listener::cidr_range;
use super::route::addition;
use super::{count, duration, list, name, option, percent, positive};

pub(super) fn network_filter(rng: &mut Rng) -> NetworkFilter {
    match rng.u8(0..8) {
        0 | 1 => NetworkFilter::Tcp(tcp_proxy(rng)),
        2 => NetworkFilter::Echo,
        3 => NetworkFilter::DirectResponse(name(rng)),
        _ => NetworkFilter::Http(Box::new(http_manager(rng))),
    }
}

fn tcp_proxy(rng: &mut Rng) -> TcpProxy {
    let mut clusters = list(rng, 2, |rng| WeightedTcpCluster { name: name(rng), weight: rng.u32(1..1000) });
    clusters.push(WeightedTcpCluster { name: name(rng), weight: 1 });
    TcpProxy {
        stat_prefix: name(rng),
        clusters,
        idle_timeout: option(rng, duration),
        max_duration: option(rng, positive),
        max_duration_jitter: percent(rng),
        max_connect_attempts: count(rng),
        backoff: option(rng, |rng| {
            let base = positive(rng);
            ConnectBackoff { base, max: base + duration(rng) }
        }),
        access_logs: list(rng, 2, access_log),
        tunneling: option(rng, |rng| {
            Box::new(Tunneling {
                hostname: Format::literal(&name(rng)),
                post_path: option(rng, |rng| format!("/{}", name(rng)).into()),
                headers: list(rng, 2, addition),
            })
        }),
    }
}

pub(super) fn connection_filter(rng: &mut Rng) -> ConnectionFilter {
    let enabled = RuntimeFeature { key: name(rng), default: rng.bool() };
    match rng.u8(0..4) {
        0 => ConnectionFilter::ConnectionLimit(ConnectionLimit {
            stat_prefix: name(rng),
            max_connections: rng.u64(1..),
            delay: option(rng, duration),
            enabled,
        }),
        1 => ConnectionFilter::LocalRateLimit(LocalRateLimit {
            stat_prefix: name(rng),
            bucket: TokenBucket {
                max_tokens: count(rng),
                tokens_per_fill: count(rng),
                fill_interval: positive(rng).max(Duration::from_millis(50)),
            },
            share_key: if rng.bool() { name(rng) } else { "".into() },
            enabled,
        }),
        2 => ConnectionFilter::SniCluster,
        _ => ConnectionFilter::Rbac(Rbac {
            stat_prefix: name(rng),
            rules: option(rng, rules),
            shadow_rules: option(rng, rules),
        }),
    }
}

fn rules(rng: &mut Rng) -> RbacRules {
    let actions = [RbacAction::Allow, RbacAction::Deny, RbacAction::Log];
    let policy = |rng: &mut Rng| RbacPolicy {
        permissions: vec![permission(rng, 2)],
        principals: vec![principal(rng, 2), principal(rng, 0)],
    };
    RbacRules {
        action: actions[rng.usize(0..actions.len())],
        policies: list(rng, 2, |rng| (name(rng), policy(rng))).into_iter().collect(),
    }
}

/// A set of rules is never empty.
fn set<T>(rng: &mut Rng, depth: u8, one: fn(&mut Rng, u8) -> T) -> Vec<T> {
    (0..rng.usize(1..3)).map(|_| one(rng, depth - 1)).collect()
}

fn permission(rng: &mut Rng, depth: u8) -> Permission {
    match rng.u8(if depth == 0 { 3 } else { 0 }..8) {
        0 => Permission::All(set(rng, depth, permission)),
        1 => Permission::AnyOf(set(rng, depth, permission)),
        2 => Permission::Not(Box::new(permission(rng, depth - 1))),
        3 => Permission::Any,
        4 => Permission::DestinationIp(cidr_range(rng)),
        5 => Permission::DestinationPort(rng.u16(..)),
        6 => Permission::DestinationPorts { start: rng.u16(..1000), end: rng.u32(1000..=65_536) },
        _ => Permission::ServerName(StringMatch::exact(name(rng))),
    }
}

fn principal(rng: &mut Rng, depth: u8) -> Principal {
    match rng.u8(if depth == 0 { 3 } else { 0 }..7) {
        0 => Principal::All(set(rng, depth, principal)),
        1 => Principal::AnyOf(set(rng, depth, principal)),
        2 => Principal::Not(Box::new(principal(rng, depth - 1))),
        3 => Principal::Any,
        4 => Principal::Authenticated(option(rng, |rng| StringMatch::exact(name(rng)))),
        5 => Principal::DirectRemoteIp(cidr_range(rng)),
        _ => Principal::RemoteIp(cidr_range(rng)),
    }
}
