//! HTTP/2 options → wire.

use ripstop_model::http2::{Http2Keepalive, Http2Options};

use super::common::{duration, u32_value};
use crate::pb;

pub(super) fn http2_options(options: &Http2Options) -> pb::Http2ProtocolOptions {
    pb::Http2ProtocolOptions {
        hpack_table_size: options.hpack_table_size.map(u32_value),
        max_concurrent_streams: options.max_concurrent_streams.map(u32_value),
        initial_stream_window_size: options.initial_stream_window_size.map(u32_value),
        initial_connection_window_size: options.initial_connection_window_size.map(u32_value),
        allow_connect: options.allow_connect,
        max_consecutive_inbound_frames_with_empty_payload: options.max_empty_frames.map(u32_value),
        max_inbound_priority_frames_per_stream: options.max_priority_frames_per_stream.map(u32_value),
        max_inbound_window_update_frames_per_data_frame_sent: options
            .max_window_updates_per_data_frame
            .map(u32_value),
        connection_keepalive: options.keepalive.as_ref().map(keepalive),
        ..Default::default()
    }
}

fn keepalive(keepalive: &Http2Keepalive) -> pb::KeepaliveSettings {
    pb::KeepaliveSettings {
        interval: keepalive.interval.map(duration),
        timeout: Some(duration(keepalive.timeout)),
        ..Default::default()
    }
}
