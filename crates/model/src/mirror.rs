//! Copies of requests that are sent somewhere else, whose answers nobody sees.

use crate::Name;
use crate::runtime::RuntimeFraction;

/// Envoy's `RequestMirrorPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMirror {
    /// Where the copies go.
    pub target: MirrorTarget,
    /// How many requests are copied; `None`: all.
    pub share: Option<RuntimeFraction>,
    /// The host of a copy ends in `-shadow`. On unless told otherwise.
    pub shadow_suffix: bool,
    /// The host of a copy, without any suffix; `None`: that of the request.
    pub host: Option<Name>,
}

impl RequestMirror {
    /// Copies of all requests to a cluster.
    pub fn to(cluster: impl Into<Name>) -> RequestMirror {
        let target = MirrorTarget::Cluster(cluster.into());
        RequestMirror { target, share: None, shadow_suffix: true, host: None }
    }
}

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorTarget {
    /// To a cluster.
    Cluster(Name),
    /// To the cluster that a header of the request names; without the header there is no copy.
    Header(Name),
}
