//! How connections to the endpoints of a cluster are made → wire. How long they are kept stands among the options of HTTP.

use std::time::Duration;

use ripstop_model::upstream_connection::{AddressFamily, HappyEyeballs, TcpKeepalive, UpstreamConnection};

use super::common::u32_value;
use crate::pb;

/// `None` where Envoy's defaults say the same.
pub(super) fn upstream_connection(connection: &UpstreamConnection) -> Option<pb::UpstreamConnectionOptions> {
    let options = pb::UpstreamConnectionOptions {
        tcp_keepalive: connection.keepalive.map(tcp_keepalive),
        happy_eyeballs_config: (connection.happy_eyeballs != HappyEyeballs::default())
            .then(|| happy_eyeballs(connection.happy_eyeballs)),
        ..Default::default()
    };
    Some(options).filter(|options| *options != pb::UpstreamConnectionOptions::default())
}

fn tcp_keepalive(keepalive: TcpKeepalive) -> pb::TcpKeepalive {
    let seconds = |time: Duration| u32_value(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
    pb::TcpKeepalive {
        keepalive_probes: keepalive.probes.map(u32_value),
        keepalive_time: keepalive.time.map(seconds),
        keepalive_interval: keepalive.interval.map(seconds),
    }
}

fn happy_eyeballs(config: HappyEyeballs) -> pb::upstream_connection_options::HappyEyeballsConfig {
    use pb::upstream_connection_options::{FirstAddressFamilyVersion, HappyEyeballsConfig};
    let first = match config.first {
        None => FirstAddressFamilyVersion::Default,
        Some(AddressFamily::V4) => FirstAddressFamilyVersion::V4,
        Some(AddressFamily::V6) => FirstAddressFamilyVersion::V6,
        Some(AddressFamily::Pipe) => FirstAddressFamilyVersion::Pipe,
    };
    HappyEyeballsConfig {
        first_address_family_version: first.into(),
        first_address_family_count: Some(u32_value(config.count.get())),
    }
}
