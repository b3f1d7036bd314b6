//! The state-of-the-world dialect: each request names everything, and clusters and listeners are always sent
//! whole, where what is missing is removed. So a removal is a second response: the first still holds what
//! goes away, until nothing refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use ripstop_model::Name;

use super::{Answer, Flows, InvalidRequest, MAX_NAMES, Session, Step, report_answer};
use crate::encoded::{EncodedResource, EncodedSnapshot, version_of};
use crate::server::StreamStatus;
use crate::server::secrets::SotwSecrets;
use crate::{ResourceType, pb};

/// A state-of-the-world stream.
pub(crate) struct SotwSession {
    snapshot: Arc<EncodedSnapshot>,
    /// A newer one that has to wait.
    newer: Option<Arc<EncodedSnapshot>>,
    status: Arc<StreamStatus>,
    flows: Flows,
    subscriptions: [Subscription; ResourceType::COUNT],
}

/// What a proxy has asked for of one type, and what it has.
#[derive(Default)]
struct Subscription {
    /// It has asked at least once on this stream.
    started: bool,
    /// It has to be answered, even if there is nothing to say.
    answer_due: bool,
    wildcard: bool,
    /// The wildcard was asked for by naming nothing, ever.
    legacy: bool,
    names: BTreeSet<Name>,
    /// What it was sent and still wants.
    sent: BTreeMap<Name, Arc<EncodedResource>>,
}

impl Subscription {
    fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Takes the list of a request. Says whether anything changed.
    fn update(&mut self, kind: ResourceType, list: Vec<String>) -> bool {
        let first = !self.started;
        self.started = true;
        // Nothing at first means everything, and goes on to mean it until there are names.
        self.legacy = list.is_empty() && kind.has_wildcard() && (first || self.legacy);
        let wildcard = self.legacy || list.iter().any(|name| name == "*");
        let names: BTreeSet<Name> = list.into_iter().filter(|name| name != "*").map(Name::from).collect();
        if !first && wildcard == self.wildcard && names == self.names {
            return false;
        }
        self.wildcard = wildcard;
        self.names = names;
        self.answer_due = first && wildcard;
        let (wildcard, names) = (self.wildcard, &self.names);
        self.sent.retain(|name, _| wildcard || names.contains(name));
        true
    }

    fn wanted<'a>(
        &'a self,
        snapshot: &'a EncodedSnapshot,
        kind: ResourceType,
    ) -> impl Iterator<Item = &'a Arc<EncodedResource>> {
        let all = snapshot.of(kind).resources.values();
        all.filter(|resource| self.wants(&resource.name))
    }

    fn is_new(&self, resource: &EncodedResource) -> bool {
        self.sent.get(&resource.name).is_none_or(|sent| sent.hash != resource.hash)
    }

    /// What a response with additions and changes holds; `None`: there is nothing to say. Names that nobody
    /// knows are not answered: an empty answer would be taken for "there are none".
    fn additions(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> Option<Vec<Arc<EncodedResource>>> {
        let changed: Vec<_> = self.wanted(snapshot, kind).filter(|resource| self.is_new(resource)).collect();
        if changed.is_empty() && !self.answer_due {
            return None;
        }
        if !kind.has_wildcard() {
            return Some(changed.into_iter().cloned().collect());
        }
        let mut whole = self.sent.clone();
        whole.extend(
            self.wanted(snapshot, kind).map(|resource| (resource.name.clone(), Arc::clone(resource))),
        );
        Some(whole.into_values().collect())
    }

    /// Whether it is named one by one and something is not there.
    fn misses_any(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> bool {
        !self.wildcard && self.names.iter().any(|name| snapshot.get(kind, name).is_none())
    }

    /// The same without what is no longer there. Only clusters and listeners are removed by being left out. A cluster that is
    /// asked for by name stays for as long as it is: whoever does so still has calls that are on their way to it.
    fn without_removed(
        &mut self,
        snapshot: &EncodedSnapshot,
        kind: ResourceType,
    ) -> Option<Vec<Arc<EncodedResource>>> {
        let before = self.sent.len();
        let is_named =
            |name: &Name| kind == ResourceType::Cluster && !self.wildcard && self.names.contains(name);
        self.sent.retain(|name, _| snapshot.get(kind, name).is_some() || is_named(name));
        (kind.has_wildcard() && self.sent.len() < before).then(|| self.sent.values().cloned().collect())
    }
}

impl Session for SotwSession {
    type Request = pb::DiscoveryRequest;
    type Response = pb::DiscoveryResponse;
    type Secrets = SotwSecrets;
    const DELTA: bool = false;

    fn new(snapshot: Arc<EncodedSnapshot>, status: Arc<StreamStatus>) -> SotwSession {
        SotwSession {
            snapshot,
            newer: None,
            status,
            flows: Flows::default(),
            subscriptions: Default::default(),
        }
    }

    fn node(request: &pb::DiscoveryRequest) -> Option<&pb::Node> {
        request.node.as_ref()
    }

    fn asks(request: &pb::DiscoveryRequest) -> (&str, &[String]) {
        (&request.type_url, &request.resource_names)
    }

    /// The first request of a type always counts, whatever nonce and version it brings from another stream.
    fn receive(&mut self, request: pb::DiscoveryRequest, now: SystemTime) -> Result<(), InvalidRequest> {
        let Some(kind) = ResourceType::from_type_url(&request.type_url) else {
            tracing::debug!(type_url = request.type_url, "a proxy asks for a type that is not served");
            return Ok(());
        };
        if request.resource_names.len() > MAX_NAMES {
            return Err(InvalidRequest::TooManyNames(request.resource_names.len()));
        }
        let subscription = &mut self.subscriptions[kind.index()];
        let comes_back = !subscription.started && !request.version_info.is_empty();
        if subscription.started {
            let error = request.error_detail.as_ref();
            let answer = self.flows.of(kind).answered(&request.response_nonce, error.is_some());
            if answer == Answer::Stale {
                return Ok(());
            }
            report_answer(&self.status, kind, &answer, error, now);
        }
        if subscription.update(kind, request.resource_names) {
            self.flows.of(kind).touch();
        }
        if self.flows.has_routes() {
            self.flows.clusters_last = false;
        } else if kind == ResourceType::Cluster && comes_back {
            self.flows.clusters_last = subscription.misses_any(&self.snapshot, kind);
        }
        Ok(())
    }

    fn push(&mut self, snapshot: Arc<EncodedSnapshot>) {
        if self.flows.holds_newer_back() {
            self.newer = Some(snapshot);
            return;
        }
        self.newer = None;
        self.flows.touch_changed(&self.snapshot, &snapshot);
        self.snapshot = snapshot;
    }

    fn waits_for_routes(&self) -> bool {
        self.flows.clusters_last
    }

    fn wait_no_longer(&mut self) {
        self.flows.clusters_last = false;
    }

    fn next(&mut self) -> Option<pb::DiscoveryResponse> {
        if !self.flows.holds_newer_back()
            && let Some(newer) = self.newer.take()
        {
            self.push(newer);
        }
        while let Some(step) = self.flows.next_step() {
            let (Step::Additions(kind) | Step::Removals(kind)) = step;
            let subscription = &mut self.subscriptions[kind.index()];
            let resources = match step {
                Step::Additions(_) => subscription.additions(&self.snapshot, kind),
                Step::Removals(_) => subscription.without_removed(&self.snapshot, kind),
            };
            let Some(resources) = resources else {
                self.flows.nothing(step);
                continue;
            };
            subscription.answer_due = false;
            let sent = resources.iter().map(|resource| (resource.name.clone(), Arc::clone(resource)));
            subscription.sent.extend(sent);
            let version = version_of(resources.iter());
            let nonce = self.flows.sent(step, &version, false);
            self.status.sent(kind, &version);
            let resources = resources.iter().map(|resource| pb::Any {
                type_url: kind.type_url().to_owned(),
                value: resource.value.clone(),
            });
            return Some(pb::DiscoveryResponse {
                version_info: version,
                type_url: kind.type_url().to_owned(),
                resources: resources.collect(),
                nonce,
                ..Default::default()
            });
        }
        None
    }

    fn answered(&self) -> Option<(&Arc<EncodedSnapshot>, bool)> {
        let of = |kind: ResourceType| &self.subscriptions[kind.index()];
        let wants = |kind, name: &Name| of(kind).wants(name);
        let refused = self.flows.answered(&self.snapshot, |kind| of(kind).wildcard, wants)?;
        Some((&self.snapshot, refused))
    }
}
