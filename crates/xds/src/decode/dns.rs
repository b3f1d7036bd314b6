//! Clusters whose endpoints are names ← wire: written in the cluster itself, or as the extension `envoy.clusters.dns`.

use std::net::SocketAddr;

use ripstop_model::Discovery;
use ripstop_model::cluster::{DnsDiscovery, DnsFamily, DnsKind, FailureRefresh};

use super::common::{Context, address, duration, is, positive_duration, type_name, unpack};
use super::{endpoint, support};
use crate::{pb, schema};

/// What both ways of writing say.
struct Written<'a> {
    kind: DnsKind,
    family: i32,
    refresh: Option<&'a pb::Duration>,
    respect_ttl: bool,
    jitter: Option<&'a pb::Duration>,
    /// Base and maximum.
    after_failure: Option<(Option<&'a pb::Duration>, Option<&'a pb::Duration>)>,
    resolver: Option<&'a pb::TypedExtensionConfig>,
}

/// `STRICT_DNS` and `LOGICAL_DNS`.
#[allow(deprecated, reason = "files say it in the cluster itself")]
pub(super) fn of_cluster(cx: &mut Context, wire: &pb::Cluster, kind: DnsKind) -> Option<Discovery> {
    let after_failure = wire.dns_failure_refresh_rate.as_ref();
    let written = Written {
        kind,
        family: wire.dns_lookup_family,
        refresh: wire.dns_refresh_rate.as_ref(),
        respect_ttl: wire.respect_dns_ttl,
        jitter: wire.dns_jitter.as_ref(),
        after_failure: after_failure.map(|rate| (rate.base_interval.as_ref(), rate.max_interval.as_ref())),
        resolver: wire.typed_dns_resolver_config.as_ref(),
    };
    discovery(cx, wire, &written)
}

/// The extension, the only type of cluster of its kind that is supported.
pub(super) fn of_extension(
    cx: &mut Context,
    cluster: &pb::Cluster,
    custom: &pb::cluster::CustomClusterType,
) -> Option<Discovery> {
    let Some(any) = custom.typed_config.as_ref().filter(|any| is::<pb::DnsCluster>(any)) else {
        let name = custom.typed_config.as_ref().map_or(custom.name.as_str(), type_name);
        return cx.refuse(format!("{name} is not supported (only envoy.clusters.dns)"));
    };
    cx.at("typed_config", |cx| {
        let wire: pb::DnsCluster = unpack(cx, any)?;
        let family = match wire.dns_lookup_family {
            // Here the zero means that nothing is said.
            0 => 0,
            number => number - 1,
        };
        let after_failure = wire.dns_failure_refresh_rate.as_ref();
        let written = Written {
            kind: if wire.all_addresses_in_single_endpoint { DnsKind::Logical } else { DnsKind::Strict },
            family,
            refresh: wire.dns_refresh_rate.as_ref(),
            respect_ttl: wire.respect_dns_ttl,
            jitter: wire.dns_jitter.as_ref(),
            after_failure: after_failure
                .map(|rate| (rate.base_interval.as_ref(), rate.max_interval.as_ref())),
            resolver: wire.typed_dns_resolver_config.as_ref(),
        };
        discovery(cx, cluster, &written)
    })
}

fn discovery(cx: &mut Context, wire: &pb::Cluster, written: &Written<'_>) -> Option<Discovery> {
    let family = family(cx, written.family);
    let refresh = positive_duration(cx, "dns_refresh_rate", written.refresh);
    let refresh = refresh.unwrap_or(DnsDiscovery::DEFAULT_REFRESH);
    let jitter = duration(cx, "dns_jitter", written.jitter).unwrap_or_default();
    let after_failure = match written.after_failure {
        Some((base, max)) => cx.at("dns_failure_refresh_rate", |cx| after_failure(cx, base, max)),
        None => None,
    };
    let resolvers = match written.resolver {
        Some(wire) => cx.at("typed_dns_resolver_config", |cx| resolvers(cx, wire)),
        None => Some(Vec::new()),
    };
    let hosts = cx.at("load_assignment", |cx| match &wire.load_assignment {
        Some(assignment) => endpoint::named_load_assignment(cx, assignment),
        None => cx.refuse("a cluster with DNS holds its names here"),
    })?;
    if written.kind == DnsKind::Logical && hosts.endpoints().count() != 1 {
        return cx.at("load_assignment", |cx| cx.refuse("LOGICAL_DNS has exactly one endpoint"));
    }
    Some(Discovery::Dns(Box::new(DnsDiscovery {
        kind: written.kind,
        hosts,
        family: family?,
        refresh,
        respect_ttl: written.respect_ttl,
        jitter,
        after_failure,
        resolvers: resolvers?,
    })))
}

/// The name servers that are asked. Other resolvers than that of c-ares say nothing that would matter here.
fn resolvers(cx: &mut Context, wire: &pb::TypedExtensionConfig) -> Option<Vec<SocketAddr>> {
    let Some(any) = wire.typed_config.as_ref().filter(|any| is::<pb::CaresDnsResolverConfig>(any)) else {
        cx.warn(format!("'{}' is not supported; the name servers of the system are asked", wire.name));
        return Some(Vec::new());
    };
    cx.at("typed_config", |cx| {
        if let Some(schema) = schema::message(type_name(any)) {
            support::check(cx, schema, &any.value);
        }
        let config: pb::CaresDnsResolverConfig = unpack(cx, any)?;
        let server = |cx: &mut Context, wire: &pb::Address| match address(cx, Some(wire))?.as_socket() {
            Some(socket) => Some(socket),
            None => cx.refuse("a name server has a socket address"),
        };
        Some(cx.items("resolvers", &config.resolvers, server))
    })
}

fn family(cx: &mut Context, number: i32) -> Option<DnsFamily> {
    use pb::cluster::DnsLookupFamily;
    match DnsLookupFamily::try_from(number) {
        Ok(DnsLookupFamily::Auto) => Some(DnsFamily::Auto),
        Ok(DnsLookupFamily::V4Only) => Some(DnsFamily::V4Only),
        Ok(DnsLookupFamily::V6Only) => Some(DnsFamily::V6Only),
        Ok(DnsLookupFamily::V4Preferred) => Some(DnsFamily::V4Preferred),
        Ok(DnsLookupFamily::All) => Some(DnsFamily::All),
        Err(_) => cx.at("dns_lookup_family", |cx| cx.refuse("is not known")),
    }
}

/// As in Envoy, the maximum is ten times the base unless told.
fn after_failure(
    cx: &mut Context,
    base: Option<&pb::Duration>,
    max: Option<&pb::Duration>,
) -> Option<FailureRefresh> {
    let base = positive_duration(cx, "base_interval", base)?;
    let max = positive_duration(cx, "max_interval", max).unwrap_or(base.saturating_mul(10));
    if max < base {
        return cx.at("max_interval", |cx| cx.refuse("must not be below base_interval"));
    }
    Some(FailureRefresh { base, max })
}
