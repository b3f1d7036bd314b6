//! HTTP/2 options, at random.

use fastrand::Rng;
use ripstop_model::http2::{Http2Keepalive, Http2Options};

use super::{option, positive};

pub(super) fn http2_options(rng: &mut Rng) -> Http2Options {
    Http2Options {
        hpack_table_size: option(rng, |rng| rng.u32(..)),
        max_concurrent_streams: option(rng, |rng| rng.u32(1..=2_147_483_647)),
        initial_stream_window_size: option(rng, |rng| rng.u32(65_535..=2_147_483_647)),
        initial_connection_window_size: option(rng, |rng| rng.u32(65_535..=2_147_483_647)),
        allow_connect: rng.bool(),
        max_empty_frames: option(rng, |rng| rng.u32(..)),
        max_priority_frames_per_stream: option(rng, |rng| rng.u32(..)),
        max_window_updates_per_data_frame: option(rng, |rng| rng.u32(1..)),
        keepalive: option(rng, |rng| Http2Keepalive {
            interval: option(rng, positive),
            timeout: positive(rng),
        }),
    }
}
