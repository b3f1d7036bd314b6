//! How connections to the endpoints of a cluster are made and kept ← wire.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::upstream_connection::{AddressFamily, HappyEyeballs, TcpKeepalive, UpstreamConnection};

use super::common::{Context, percent, positive_duration};
use crate::pb;

/// `common` is what `HttpProtocolOptions` say, which stand elsewhere.
pub(super) fn upstream_connection(
    cx: &mut Context,
    wire: Option<&pb::UpstreamConnectionOptions>,
    common: Option<&pb::HttpProtocolOptions>,
) -> UpstreamConnection {
    let (max_age, max_age_jitter) = cx.at("common_http_protocol_options", |cx| {
        let max_age = common.and_then(|common| common.max_connection_duration.as_ref());
        let jitter = common.and_then(|common| common.max_connection_duration_jitter.as_ref());
        let jitter = percent(cx, "max_connection_duration_jitter", jitter);
        (positive_duration(cx, "max_connection_duration", max_age), jitter.unwrap_or_default())
    });
    let Some(wire) = wire else {
        return UpstreamConnection { max_age, max_age_jitter, ..UpstreamConnection::default() };
    };
    cx.at("upstream_connection_options", |cx| UpstreamConnection {
        keepalive: wire
            .tcp_keepalive
            .as_ref()
            .map(|keepalive| cx.at("tcp_keepalive", |cx| tcp_keepalive(cx, keepalive))),
        happy_eyeballs: wire
            .happy_eyeballs_config
            .as_ref()
            .map(|config| cx.at("happy_eyeballs_config", |cx| happy_eyeballs(cx, config)))
            .unwrap_or_default(),
        max_age,
        max_age_jitter,
    })
}

/// Zero, as in Envoy, is a value that the kernel is not told.
fn tcp_keepalive(cx: &mut Context, wire: &pb::TcpKeepalive) -> TcpKeepalive {
    let mut read = |field: &str, value: Option<&pb::UInt32Value>, most: u32| {
        let value = value.map(|value| value.value).filter(|value| *value > 0)?;
        if value > most {
            return cx.at(field, |cx| cx.refuse(format!("the kernel takes at most {most}")));
        }
        Some(value)
    };
    // The largest values of Linux: MAX_TCP_KEEPCNT, MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL.
    let probes = read("keepalive_probes", wire.keepalive_probes.as_ref(), 127);
    let time = read("keepalive_time", wire.keepalive_time.as_ref(), 32_767);
    let interval = read("keepalive_interval", wire.keepalive_interval.as_ref(), 32_767);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    TcpKeepalive { probes, time: time.map(seconds), interval: interval.map(seconds) }
}

fn happy_eyeballs(
    cx: &mut Context,
    wire: &pb::upstream_connection_options::HappyEyeballsConfig,
) -> HappyEyeballs {
    use pb::upstream_connection_options::FirstAddressFamilyVersion;
    let first = match wire.first_address_family_version() {
        FirstAddressFamilyVersion::Default => None,
        FirstAddressFamilyVersion::V4 => Some(AddressFamily::V4),
        FirstAddressFamilyVersion::V6 => Some(AddressFamily::V6),
        FirstAddressFamilyVersion::Pipe => Some(AddressFamily::Pipe),
        FirstAddressFamilyVersion::Internal => {
            cx.at("first_address_family_version", |cx| cx.warn("there are no internal addresses"));
            None
        }
    };
    let count = wire.first_address_family_count.as_ref().and_then(|count| NonZeroU32::new(count.value));
    HappyEyeballs { first, count: count.unwrap_or(NonZeroU32::MIN) }
}
