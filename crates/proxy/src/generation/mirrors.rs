//! Copies of requests, ready for requests: which are made, and where they go.

use std::sync::Arc;

use http::HeaderName;
use http::uri::Authority;
use ripstop_model::Percent;
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_policy::runtime::Runtime;

use super::slot::{ClusterSlot, ClusterSlots};

/// A compiled [`RequestMirror`].
pub struct CompiledMirror {
    /// Where the copies go.
    pub target: MirrorCluster,
    /// How many requests are copied.
    pub share: Percent,
    /// The host of a copy ends in `-shadow`.
    pub suffix: bool,
    /// What the host of a copy is instead.
    pub host: Option<Authority>,
}

/// A compiled [`MirrorTarget`].
pub enum MirrorCluster {
    /// To a cluster.
    Slot(Arc<ClusterSlot>),
    /// To the cluster that a header names.
    Header(HeaderName),
}

/// Compiles those of the most specific place that has any: of the route, the virtual host, the configuration.
pub fn compile(
    places: [&[RequestMirror]; 3],
    slots: &mut ClusterSlots,
    runtime: &Runtime,
) -> Box<[CompiledMirror]> {
    let mirrors = places.into_iter().find(|mirrors| !mirrors.is_empty()).unwrap_or_default();
    let compiled = mirrors.iter().filter_map(|mirror| {
        Some(CompiledMirror {
            target: match &mirror.target {
                MirrorTarget::Cluster(name) => MirrorCluster::Slot(slots.of(name)),
                MirrorTarget::Header(name) => MirrorCluster::Header(HeaderName::try_from(&**name).ok()?),
            },
            share: mirror.share.as_ref().map_or(Percent::ALL, |share| runtime.fraction(share)),
            suffix: mirror.shadow_suffix,
            host: mirror.host.as_deref().and_then(|host| Authority::try_from(host).ok()),
        })
    });
    compiled.collect()
}
