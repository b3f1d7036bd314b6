//! Copies of requests ← wire.

use ripstop_model::mirror::{MirrorTarget, RequestMirror};

use super::common::Context;
use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn mirrors(
    cx: &mut Context,
    wire: &[pb::route_action::RequestMirrorPolicy],
) -> Vec<RequestMirror> {
    cx.items("request_mirror_policies", wire, |cx, wire| {
        let target = match (wire.cluster.as_str(), wire.cluster_header.as_str()) {
            ("", "") => return cx.refuse("needs one of cluster and cluster_header"),
            (cluster, "") => MirrorTarget::Cluster(cluster.into()),
            ("", header) => MirrorTarget::Header(header.to_ascii_lowercase().into()),
            _ => return cx.refuse("cluster and cluster_header exclude each other"),
        };
        let share = wire.runtime_fraction.as_ref();
        let share = share.and_then(|share| cx.at("runtime_fraction", |cx| runtime_fraction(cx, share)));
        let host = Some(wire.host_rewrite_literal.as_str()).filter(|host| !host.is_empty());
        Some(RequestMirror {
            target,
            share,
            shadow_suffix: !wire.disable_shadow_host_suffix_append,
            host: host.map(Into::into),
        })
    })
}
