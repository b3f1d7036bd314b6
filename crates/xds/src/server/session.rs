//! One ADS stream without its I/O: requests go in, responses come out. [`sotw`] and [`delta`] are the two
//! dialects; what they have in common is here: nonces, and the order in which types are sent.
//!
//! Additions and changes go out as clusters, endpoints, listeners, routes; removals last and the other way
//! round. A type is not sent again before the proxy has answered, and listeners and routes wait until what
//! they refer to has been answered, because a proxy holds back its answer while it warms. Endpoints never
//! wait for the answer to clusters: warming clusters wait for them.
//!
//! A library of gRPC that comes back is an exception. It names its clusters, and holds one that is missing from the answer for
//! gone at once, while its old routes still lead there. If one is missing, it gets routes first.
//!
//! There is never more than one snapshot waiting: every response is made from the newest.

pub(crate) mod delta;
pub(crate) mod sotw;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use prost::Message;
use ripstop_model::{Name, Node};

use crate::encoded::EncodedSnapshot;
use crate::server::StreamStatus;
use crate::server::secrets::SecretDialect;
use crate::{ResourceType, pb};

/// Most names in one subscription.
pub(crate) const MAX_NAMES: usize = 100_000;

/// After this many responses of clusters and endpoints that listeners or routes had to wait for, newer snapshots wait until
/// those have gone out, so that clusters and endpoints which change all the time cannot starve them. They go out with the
/// snapshot that their clusters were sent of, never ahead of it: a route must not name what the proxy does not have.
const MAX_HELD_BACK: u32 = 8;

/// What is wrong with a request. It ends the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRequest {
    /// A subscription beyond the limit.
    #[error("a subscription of {0} names is too large, at most {MAX_NAMES} are allowed")]
    TooManyNames(usize),
}

/// A dialect of ADS.
pub(crate) trait Session: Send + 'static {
    /// What the proxy sends.
    type Request: Message + Default;
    /// What it gets.
    type Response: Message;
    /// How secrets are asked for in this dialect.
    type Secrets: SecretDialect<Request = Self::Request, Response = Self::Response>;
    /// Incremental rather than state-of-the-world.
    const DELTA: bool;

    /// A new stream that is shown `snapshot`.
    fn new(snapshot: Arc<EncodedSnapshot>, status: Arc<StreamStatus>) -> Self;

    /// Who the proxy says it is; only in its first request.
    fn node(request: &Self::Request) -> Option<&pb::Node>;

    /// The type that a request is about, and the names that it asks for.
    fn asks(request: &Self::Request) -> (&str, &[String]);

    /// Takes what the proxy has sent.
    fn receive(&mut self, request: Self::Request, now: SystemTime) -> Result<(), InvalidRequest>;

    /// Takes a newer snapshot.
    fn push(&mut self, snapshot: Arc<EncodedSnapshot>);

    /// The answer for clusters waits for routes to be answered, which may never be: whoever keeps the time gives up for it.
    fn waits_for_routes(&self) -> bool {
        false
    }

    /// The answer for clusters waits no longer.
    fn wait_no_longer(&mut self) {}

    /// The next response that may go out. `None` until something comes in.
    fn next(&mut self) -> Option<Self::Response>;

    /// The newest snapshot, if nothing more has to be said of it and the proxy has answered all that was said. With it,
    /// whether one of the answers was a refusal.
    fn answered(&self) -> Option<(&Arc<EncodedSnapshot>, bool)>;
}

/// Per type: whether there may be something to send, and what the proxy has not answered.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// There may be additions or changes to send.
    additions: bool,
    /// There may be removals to send.
    removals: bool,
    /// Nonce of the last response; empty: there was none.
    nonce: String,
    /// Version of the response that has not been answered.
    in_flight: Option<String>,
    /// The last response was refused.
    refused: bool,
}

/// What a nonce in a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It answers the response in flight, whose version this is.
    ToVersion(String),
    /// It names the last response, which has been answered before.
    Again,
    /// It belongs to an older response, or to another stream.
    Stale,
}

impl Flow {
    /// Something may have changed.
    pub(super) fn touch(&mut self) {
        self.additions = true;
        self.removals = true;
    }

    fn is_settled(&self) -> bool {
        self.in_flight.is_none() && !self.additions
    }

    /// Judges a nonce; an answer ends the flight.
    pub(super) fn answered(&mut self, nonce: &str, refused: bool) -> Answer {
        if nonce != self.nonce {
            return Answer::Stale;
        }
        match self.in_flight.take() {
            Some(version) => {
                self.refused = refused;
                Answer::ToVersion(version)
            }
            None => Answer::Again,
        }
    }
}

/// The flows of all types, and the order among them.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: [Flow; ResourceType::COUNT],
    nonces: u64,
    held_back: u32,
    /// Clusters are answered for after routes, not before them.
    clusters_last: bool,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Additions and changes of a type.
    Additions(ResourceType),
    /// Removals of a type.
    Removals(ResourceType),
}

impl Flows {
    pub(super) fn of(&mut self, kind: ResourceType) -> &mut Flow {
        &mut self.flows[kind.index()]
    }

    /// What may be sent next. The caller sends it ([`Flows::sent`]) or finds that there is nothing
    /// ([`Flows::nothing`]), and asks again.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        let is_settled = |kind: ResourceType| self.flows[kind.index()].is_settled();
        let referred = is_settled(ResourceType::Cluster) && is_settled(ResourceType::Endpoint);
        for kind in ResourceType::ALL {
            let flow = &self.flows[kind.index()];
            let waits = match kind {
                ResourceType::Cluster => self.clusters_last,
                ResourceType::Listener | ResourceType::Route => !referred && !self.clusters_last,
                _ => false,
            };
            if flow.additions && flow.in_flight.is_none() && !waits {
                return Some(Step::Additions(kind));
            }
        }
        if !self.flows.iter().all(Flow::is_settled) {
            return None;
        }
        // A proxy that refused new routes still uses the old ones, and what they name must stay.
        let refused = [ResourceType::Listener, ResourceType::Route].map(|k| self.flows[k.index()].refused);
        let keep = refused.contains(&true);
        ResourceType::ALL
            .into_iter()
            .rev()
            .filter(|kind| !keep || matches!(kind, ResourceType::Listener | ResourceType::Route))
            .find(|kind| self.flows[kind.index()].removals)
            .map(Step::Removals)
    }

    /// Whether routes were sent on this stream, and answered.
    fn has_routes(&self) -> bool {
        let routes = &self.flows[ResourceType::Route.index()];
        !routes.nonce.is_empty() && routes.in_flight.is_none()
    }

    /// Whether newer snapshots have to wait for the listeners and routes of this one.
    pub(super) fn holds_newer_back(&self) -> bool {
        let waiting = [ResourceType::Listener, ResourceType::Route].map(|k| self.flows[k.index()].additions);
        self.held_back >= MAX_HELD_BACK && waiting.contains(&true)
    }

    /// A step turned out to be empty.
    pub(super) fn nothing(&mut self, step: Step) {
        match step {
            Step::Additions(kind) => self.of(kind).additions = false,
            Step::Removals(kind) => self.of(kind).removals = false,
        }
    }

    /// A response goes out. `rest`: there is more of the same step. Gives its nonce.
    pub(super) fn sent(&mut self, step: Step, version: &str, rest: bool) -> String {
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        let kind = match step {
            Step::Additions(kind) | Step::Removals(kind) => kind,
        };
        let waiting = [ResourceType::Listener, ResourceType::Route].map(|k| self.flows[k.index()].additions);
        self.held_back = match kind {
            ResourceType::Listener | ResourceType::Route => 0,
            _ if waiting.contains(&true) => self.held_back + 1,
            _ => 0,
        };
        let flow = self.of(kind);
        match step {
            Step::Additions(_) => flow.additions = rest,
            Step::Removals(_) => flow.removals = rest,
        }
        flow.nonce.clone_from(&nonce);
        flow.in_flight = Some(version.to_owned());
        nonce
    }

    /// Whether everything that went out was answered, and if so, whether something was refused. Of what follows from an
    /// answer the proxy may not have asked yet: whoever gets every cluster asks for the endpoints of each, and whoever
    /// gets every listener for their routes.
    pub(super) fn answered(
        &self,
        snapshot: &EncodedSnapshot,
        has_all: impl Fn(ResourceType) -> bool,
        wants: impl Fn(ResourceType, &Name) -> bool,
    ) -> Option<bool> {
        if !self.flows.iter().all(Flow::is_settled) {
            return None;
        }
        if self.flows.iter().any(|flow| flow.refused) {
            return Some(true);
        }
        let pairs =
            [(ResourceType::Cluster, ResourceType::Endpoint), (ResourceType::Listener, ResourceType::Route)];
        let complete = pairs.into_iter().all(|(of, follows)| {
            !has_all(of) || snapshot.of(follows).resources.keys().all(|name| wants(follows, name))
        });
        complete.then_some(false)
    }

    /// A newer snapshot: the types that differ are looked at again.
    pub(super) fn touch_changed(&mut self, old: &EncodedSnapshot, new: &EncodedSnapshot) {
        for kind in ResourceType::ALL {
            if !new.shares(old, kind) {
                self.of(kind).touch();
            }
        }
    }
}

/// The node of a request in our own words.
pub(super) fn node(wire: &pb::Node) -> Node {
    let fields = || wire.metadata.iter().flat_map(|metadata| &metadata.fields);
    let labels = fields().find(|(key, _)| *key == Node::LABELS).and_then(|(_, value)| match &value.kind {
        Some(pb::value::Kind::StructValue(labels)) => Some(texts(&labels.fields)),
        _ => None,
    });
    let version = match &wire.user_agent_version_type {
        Some(pb::node::UserAgentVersionType::UserAgentVersion(version)) => format!(" {version}"),
        _ => String::new(),
    };
    Node {
        id: wire.id.clone(),
        cluster: wire.cluster.clone(),
        metadata: fields().filter_map(text).collect(),
        labels: labels.unwrap_or_default(),
        user_agent: format!("{}{version}", wire.user_agent_name),
    }
}

fn texts(fields: &std::collections::HashMap<String, pb::Value>) -> BTreeMap<String, String> {
    fields.iter().filter_map(text).collect()
}

/// A field whose value is a text.
fn text((key, value): (&String, &pb::Value)) -> Option<(String, String)> {
    match &value.kind {
        Some(pb::value::Kind::StringValue(text)) => Some((key.clone(), text.clone())),
        _ => None,
    }
}

/// Reports an answer and says whether the request counts.
pub(super) fn report_answer(
    status: &StreamStatus,
    kind: ResourceType,
    answer: &Answer,
    error: Option<&pb::Status>,
    now: SystemTime,
) {
    let Answer::ToVersion(version) = answer else { return };
    match error {
        None => status.acked(kind, version),
        Some(error) => {
            tracing::warn!(kind = %kind, version, error = error.message, "a proxy refused a push");
            status.nacked(kind, version, &error.message, now);
        }
    }
}

#[cfg(test)]
mod tests;
