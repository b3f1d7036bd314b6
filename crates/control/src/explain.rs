//! What the mesh would do with a request, and why: every decision in the order in which proxies make it, each with the place
//! that it was written in. The decisions are those of `ripstop_policy` over what the proxies are really sent, so that an
//! explanation says what a proxy does.
//!
//! What only a proxy knows at the moment (connections, active requests, ejected endpoints, what is left of a retry budget) is
//! not in here.

mod describe;
mod inbound;
mod outbound;
mod target;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use ripstop_model::{Name, SpiffeId};

use crate::provenance::Place;
use crate::resource::{MtlsMode, ObjectKey};
use crate::translate::{ProxyRef, UnknownProxy, translate};
use crate::world::World;

/// A request as somebody describes it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The workload that sends it, or the gateway that takes it. `None`: the only gateway that there is.
    pub(crate) from: Option<ObjectKey>,
    /// `http` or `https`.
    pub(crate) scheme: String,
    /// Host and, where it is named, port.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// For instance `GET`.
    pub(crate) method: String,
    /// Further headers.
    pub(crate) headers: HeaderMap,
    /// Port of the proxy that the request comes to, if that is not to be found out.
    pub(crate) listener_port: Option<u16>,
}

/// No answer is possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unexplained {
    /// Nobody is named, and there is not exactly one gateway.
    #[error("it must be said where the request comes from: {0}")]
    NoSource(String),
    /// There is no such proxy.
    #[error(transparent)]
    Unknown(#[from] UnknownProxy),
    /// The proxy has no listener that takes the request.
    #[error("{proxy} has no listener for it: {listeners}")]
    NoListener {
        /// The proxy.
        proxy: ProxyRef,
        /// Those that it has.
        listeners: String,
    },
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    /// The proxy that decides first, and who it is to others.
    pub(crate) proxy: ProxyRef,
    /// Its identity.
    pub(crate) identity: SpiffeId,
    /// The listener that takes the request.
    pub(crate) listener: Name,
    /// What the listener was made of.
    pub(crate) listener_place: Option<Place>,
    /// The way to a route; `None` where connections are passed on as they are.
    pub(crate) routing: Option<Routing>,
    /// What becomes of it.
    pub(crate) decision: Decision,
}

/// How a route was found.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    /// The route configuration.
    pub(crate) configuration: Name,
    /// The path, after it was brought into one form.
    pub(crate) path: String,
    /// Name and domains of the virtual host; `None`: none has a domain for the host.
    pub(crate) virtual_host: Option<(Name, Vec<Name>)>,
    /// The routes in order, the last one is taken if the decision is not that there is none.
    pub(crate) routes: Vec<Tried>,
}

/// One route that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// Its name.
    pub(crate) name: Name,
    /// Why it does not take the request; `None`: it does.
    pub(crate) why_not: Option<String>,
    /// What it was made of.
    pub(crate) place: Option<Place>,
}

/// What a proxy decides.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// The request is answered by the proxy itself.
    Answer {
        /// HTTP status.
        status: u16,
        /// Why.
        why: String,
        /// Where the client is sent, if it is.
        location: Option<String>,
    },
    /// The request is sent on.
    Forward(Box<Forwarding>),
}

/// How a request is sent on.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// Path and query that are sent; `None`: a connection is passed on.
    pub(crate) path: Option<String>,
    /// Host that is sent, where it is rewritten.
    pub(crate) host: Option<String>,
    /// From the end of the request to the end of the answer; `None`: no limit.
    pub(crate) timeout: Option<Duration>,
    /// Further tries.
    pub(crate) retries: Option<RetryFacts>,
    /// Where to: one of these, by their shares.
    pub(crate) targets: Vec<Target>,
    /// Clusters that get a copy.
    pub(crate) mirrors: Vec<Name>,
}

/// When a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryFacts {
    /// Tries after the first.
    pub(crate) attempts: u32,
    /// On what, in Envoy's words.
    pub(crate) on: Vec<&'static str>,
    /// What one try may take.
    pub(crate) per_try_timeout: Option<Duration>,
    /// Whether a request of this method is repeated once it may have been processed.
    pub(crate) repeats_processed: bool,
}

/// A cluster that a request may go to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The cluster.
    pub(crate) cluster: Name,
    /// Its part of the requests, in percent.
    pub(crate) percent: f64,
    /// What it was made of.
    pub(crate) places: Vec<Place>,
    /// How one of its endpoints is chosen.
    pub(crate) balancer: &'static str,
    /// Spoken to by mutual TLS.
    pub(crate) mtls: bool,
    /// After what an endpoint is left out for a time, in words.
    pub(crate) ejection: Option<String>,
    /// Its endpoints.
    pub(crate) candidates: Vec<Candidate>,
}

/// An endpoint that a request may go to.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it is.
    pub(crate) address: String,
    /// The workload, if it is one of the mesh.
    pub(crate) workload: Option<ObjectKey>,
    /// What is known of its health.
    pub(crate) health: &'static str,
    /// 0 is the highest.
    pub(crate) priority: u32,
    /// Its weight among the endpoints.
    pub(crate) weight: u32,
    /// What its own proxy decides; `None`: there is none.
    pub(crate) inbound: Option<Inbound>,
}

/// What the second proxy decides.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    /// The proxy.
    pub(crate) proxy: ProxyRef,
    /// The listener.
    pub(crate) listener: Name,
    /// What the listener was made of.
    pub(crate) listener_place: Option<Place>,
    /// Which connections it takes.
    pub(crate) mode: MtlsMode,
    /// The policy that says so; `None`: nobody does.
    pub(crate) mode_place: Option<Place>,
    /// Why the connection is not taken; `None`: it is.
    pub(crate) refused: Option<String>,
    /// The application.
    pub(crate) application: Option<SocketAddr>,
}

/// Explains a request in a world.
pub(crate) fn explain(world: &World, question: &Question) -> Result<Explanation, Unexplained> {
    let proxy = match &question.from {
        Some(key) => ProxyRef::new(key.namespace.clone(), key.name.clone()),
        None => only_gateway(world)?,
    };
    let (snapshot, _) = translate(world, &proxy)?;
    outbound::explain(world, &proxy, &snapshot, question)
}

fn only_gateway(world: &World) -> Result<ProxyRef, Unexplained> {
    let gateways: Vec<&ObjectKey> = world
        .instances()
        .filter(|instance| instance.workload.gateway.is_some())
        .map(|instance| instance.key())
        .collect();
    match gateways.as_slice() {
        [only] => Ok(ProxyRef::new(only.namespace.clone(), only.name.clone())),
        [] => Err(Unexplained::NoSource("there is no gateway; name a workload".to_owned())),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Unexplained::NoSource(format!("there are the gateways {}", names.join(", "))))
        }
    }
}
