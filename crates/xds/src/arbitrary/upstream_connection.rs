//! How connections to endpoints are made and kept, at random.

use std::time::Duration;

use fastrand::Rng;
use ripstop_model::upstream_connection::{AddressFamily, HappyEyeballs, TcpKeepalive, UpstreamConnection};

use super::{count, option, percent, positive};

pub(super) fn upstream_connection(rng: &mut Rng) -> UpstreamConnection {
    let seconds = |rng: &mut Rng| Duration::from_secs(rng.u64(1..=32_767));
    let families = [AddressFamily::V4, AddressFamily::V6, AddressFamily::Pipe];
    let max_age = option(rng, positive);
    UpstreamConnection {
        keepalive: option(rng, |rng| TcpKeepalive {
            probes: option(rng, |rng| rng.u32(1..=127)),
            time: option(rng, seconds),
            interval: option(rng, seconds),
        }),
        happy_eyeballs: HappyEyeballs {
            first: option(rng, |rng| families[rng.usize(0..families.len())]),
            count: count(rng),
        },
        max_age_jitter: if max_age.is_some() { percent(rng) } else { Default::default() },
        max_age,
    }
}
