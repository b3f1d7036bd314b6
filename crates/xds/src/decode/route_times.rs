//! The time limits of routes ← wire.

use ripstop_model::route_times::{MaxStreamDuration, RouteTimes};

use super::common::{Context, duration};
use crate::pb;

#[allow(deprecated, reason = "the older limits of gRPC are still honoured")]
pub(super) fn route_times(cx: &mut Context, wire: &pb::RouteAction) -> RouteTimes {
    let max_stream = wire.max_stream_duration.as_ref().map(|wire| {
        cx.at("max_stream_duration", |cx| MaxStreamDuration {
            max: duration(cx, "max_stream_duration", wire.max_stream_duration.as_ref()),
            grpc_header_max: duration(cx, "grpc_timeout_header_max", wire.grpc_timeout_header_max.as_ref()),
            grpc_header_offset: duration(
                cx,
                "grpc_timeout_header_offset",
                wire.grpc_timeout_header_offset.as_ref(),
            ),
        })
    });
    RouteTimes {
        idle_timeout: duration(cx, "idle_timeout", wire.idle_timeout.as_ref()),
        max_stream,
        max_grpc_timeout: duration(cx, "max_grpc_timeout", wire.max_grpc_timeout.as_ref()),
        grpc_timeout_offset: duration(cx, "grpc_timeout_offset", wire.grpc_timeout_offset.as_ref()),
    }
}
