//! The circuit breakers of a cluster, and what takes the place of requests that they do not let through. They outlive a change
//! of configuration as long as what is said of them stays the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use ripstop_model::circuit_breaker::{BreakerScope, CircuitBreaker, Fallback};
use ripstop_model::cluster::Cluster;
use ripstop_model::{Address, Name};
use ripstop_policy::breaker::{Breaker, By, Forced};
use ripstop_policy::host::HostSet;
use ripstop_policy::runtime::Runtime;

use super::cluster::ActiveCluster;
use super::slot::ClusterSlot;

/// Before the name of a cluster, the key of the value that forces its breakers: `open`, `closed` or `auto`.
pub const RUNTIME_KEY: &str = "ripstop.breaker.";

/// The breakers of a cluster.
pub enum Breakers {
    /// It has none.
    None,
    /// One for all of it.
    Cluster(Arc<Breaker>),
    /// One for each endpoint, by [`HostEntry::index`](ripstop_policy::host::HostEntry::index).
    Endpoints(Box<[Arc<Breaker>]>),
}

/// What takes the place of a request.
pub enum CompiledFallback {
    /// An answer.
    Response {
        /// Its status.
        status: StatusCode,
        /// Its `content-type`.
        content_type: Option<HeaderValue>,
        /// Its body.
        body: Bytes,
    },
    /// Another cluster.
    Cluster(Arc<ClusterSlot>),
}

impl Breakers {
    /// Those of `config` for `hosts`; those of `previous` live on where nothing is said anew of them.
    pub(super) fn compile(
        config: &Cluster,
        hosts: &HostSet,
        previous: Option<&ActiveCluster>,
        runtime: &Runtime,
    ) -> Breakers {
        let Some(wanted) = config.breaker.as_deref() else { return Breakers::None };
        let previous = previous.filter(|previous| previous.config.breaker == config.breaker);
        let now = Instant::now();
        let new = || Arc::new(Breaker::new(wanted.clone(), now));
        let breakers = match wanted.scope {
            BreakerScope::Cluster => Breakers::Cluster(match previous.map(|previous| &previous.breakers) {
                Some(Breakers::Cluster(breaker)) => breaker.clone(),
                _ => new(),
            }),
            BreakerScope::Endpoint => {
                let of =
                    |address: &Address| previous.and_then(|previous| previous.breaker_of(address)).cloned();
                let entries = hosts.entries().iter();
                Breakers::Endpoints(
                    entries.map(|entry| of(entry.host.address()).unwrap_or_else(new)).collect(),
                )
            }
        };
        let key = format!("{RUNTIME_KEY}{}", config.name);
        let forced = runtime.text(&key).and_then(Forced::from_word).unwrap_or_default();
        breakers.all().for_each(|breaker| breaker.force(By::Runtime, forced));
        breakers
    }

    /// All of them; those of endpoints in the order of the endpoints.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Breaker>> {
        match self {
            Breakers::None => [].iter(),
            Breakers::Cluster(breaker) => std::slice::from_ref(breaker).iter(),
            Breakers::Endpoints(breakers) => breakers.iter(),
        }
    }
}

/// The clusters that fallbacks name have slots as those of routes do.
pub(super) fn fallback_cluster(config: &Cluster) -> Option<&Name> {
    match config.breaker.as_deref()? {
        CircuitBreaker { fallback: Some(Fallback::Cluster(name)), .. } => Some(name),
        _ => None,
    }
}

/// What takes the place of requests to `config`.
pub(super) fn fallback(
    config: &Cluster,
    slots: &HashMap<Name, Arc<ClusterSlot>>,
) -> Option<CompiledFallback> {
    match config.breaker.as_ref()?.fallback.as_ref()? {
        Fallback::Cluster(name) => slots.get(name).cloned().map(CompiledFallback::Cluster),
        Fallback::Response(answer) => Some(CompiledFallback::Response {
            // Decoding takes nothing else.
            status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            content_type: HeaderValue::from_str(&answer.content_type).ok().filter(|kind| !kind.is_empty()),
            body: Bytes::copy_from_slice(answer.body.as_bytes()),
        }),
    }
}
