//! HTTP/2 options ← wire.

use ripstop_model::http2::{Http2Keepalive, Http2Options};

use super::common::{Context, positive_duration};
use crate::pb;

pub(super) fn http2_options(cx: &mut Context, wire: &pb::Http2ProtocolOptions) -> Http2Options {
    let number = |value: &Option<pb::UInt32Value>| value.as_ref().map(|value| value.value);
    Http2Options {
        hpack_table_size: number(&wire.hpack_table_size),
        max_concurrent_streams: number(&wire.max_concurrent_streams),
        initial_stream_window_size: number(&wire.initial_stream_window_size),
        initial_connection_window_size: number(&wire.initial_connection_window_size),
        allow_connect: wire.allow_connect,
        max_empty_frames: number(&wire.max_consecutive_inbound_frames_with_empty_payload),
        max_priority_frames_per_stream: number(&wire.max_inbound_priority_frames_per_stream),
        max_window_updates_per_data_frame: number(&wire.max_inbound_window_update_frames_per_data_frame_sent),
        keepalive: wire
            .connection_keepalive
            .as_ref()
            .and_then(|wire| cx.at("connection_keepalive", |cx| keepalive(cx, wire))),
    }
}

fn keepalive(cx: &mut Context, wire: &pb::KeepaliveSettings) -> Option<Http2Keepalive> {
    let timeout = positive_duration(cx, "timeout", wire.timeout.as_ref());
    Some(Http2Keepalive {
        interval: positive_duration(cx, "interval", wire.interval.as_ref()),
        timeout: timeout?,
    })
}
