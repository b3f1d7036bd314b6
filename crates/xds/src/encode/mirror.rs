//! Copies of requests → wire.

use ripstop_model::mirror::{MirrorTarget, RequestMirror};

use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn mirror(mirror: &RequestMirror) -> pb::route_action::RequestMirrorPolicy {
    let (cluster, cluster_header) = match &mirror.target {
        MirrorTarget::Cluster(name) => (name.to_string(), String::new()),
        MirrorTarget::Header(name) => (String::new(), name.to_string()),
    };
    pb::route_action::RequestMirrorPolicy {
        cluster,
        cluster_header,
        runtime_fraction: mirror.share.as_ref().map(runtime_fraction),
        disable_shadow_host_suffix_append: !mirror.shadow_suffix,
        host_rewrite_literal: mirror.host.as_deref().unwrap_or_default().to_owned(),
        ..Default::default()
    }
}
