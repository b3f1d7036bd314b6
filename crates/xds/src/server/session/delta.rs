//! The incremental dialect: names are subscribed one by one, and only what changed is sent.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use ripstop_model::Name;

use super::{Flows, InvalidRequest, MAX_NAMES, Session, Step, report_answer};
use crate::encoded::{EncodedResource, EncodedSnapshot};
use crate::server::StreamStatus;
use crate::server::secrets::DeltaSecrets;
use crate::{ResourceType, pb};

/// A response is cut after this many bytes of resources; the rest follows when it is answered.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// An incremental stream.
pub(crate) struct DeltaSession {
    snapshot: Arc<EncodedSnapshot>,
    /// A newer one that has to wait.
    newer: Option<Arc<EncodedSnapshot>>,
    status: Arc<StreamStatus>,
    flows: Flows,
    subscriptions: [Subscription; ResourceType::COUNT],
}

/// What a proxy has asked for of one type, and what it was told.
#[derive(Default)]
struct Subscription {
    /// It has asked at least once on this stream.
    started: bool,
    /// It has to be answered, even if there is nothing to say.
    answer_due: bool,
    wildcard: bool,
    /// Subscribed one by one.
    names: BTreeSet<Name>,
    /// What the proxy was told of each name.
    told: HashMap<Name, Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It has been sent content of this hash, or had it when it came.
    Version(u64),
    /// It knows that there is no such resource.
    Absent,
}

impl Subscription {
    fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    fn has(&self, resource: &EncodedResource) -> bool {
        self.told.get(&resource.name) == Some(&Told::Version(resource.hash))
    }

    /// Takes subscriptions. Whoever asks again is told again.
    fn subscribe(&mut self, kind: ResourceType, names: Vec<String>, had: HashMap<String, String>) {
        let first = !self.started;
        self.started = true;
        if first && names.is_empty() && kind.has_wildcard() {
            self.wildcard = true;
        }
        for name in names {
            if name == "*" {
                self.wildcard = true;
            } else {
                let name = Name::from(name);
                self.told.remove(&name);
                self.names.insert(name);
            }
        }
        if first {
            self.answer_due = self.wildcard && had.is_empty();
            for (name, version) in had {
                if self.wants(&name) {
                    self.told.insert(name.into(), Told::Version(EncodedResource::hash_of(&version)));
                }
            }
        }
    }

    fn unsubscribe(&mut self, names: Vec<String>, exists: impl Fn(&str) -> bool) {
        for name in names {
            if name == "*" {
                self.wildcard = false;
                let names = &self.names;
                self.told.retain(|name, _| names.contains(name));
                continue;
            }
            self.names.remove(name.as_str());
            // Under a wildcard the proxy cannot know whether the resource is still meant for it, so it is told
            // again; of what it has and what is gone it is still to be told.
            let told = self.told.get(name.as_str());
            let gone = self.wildcard && !exists(&name) && matches!(told, Some(Told::Version(_)));
            if !gone {
                self.told.remove(name.as_str());
            }
        }
    }

    /// What has to be sent, at most [`MAX_RESPONSE_BYTES`], and whether that is all.
    fn changed(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> (Vec<Arc<EncodedResource>>, bool) {
        let all = snapshot.of(kind).resources.values();
        let named = self.names.iter().filter_map(|name| snapshot.get(kind, name));
        let (all, named) = if self.wildcard { (Some(all), None) } else { (None, Some(named)) };
        let mut pending = all.into_iter().flatten().chain(named.into_iter().flatten());
        let mut changed = Vec::new();
        let mut bytes = 0;
        for resource in pending.by_ref().filter(|resource| !self.has(resource)) {
            if bytes > 0 && bytes + resource.value.len() > MAX_RESPONSE_BYTES {
                return (changed, false);
            }
            bytes += resource.value.len();
            changed.push(Arc::clone(resource));
        }
        (changed, true)
    }

    /// Subscribed names that do not exist and of which the proxy was never told anything.
    fn unknown(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> Vec<Name> {
        let unknown = |name: &&Name| !self.told.contains_key(*name) && snapshot.get(kind, name).is_none();
        self.names.iter().filter(unknown).cloned().collect()
    }

    /// What the proxy has and should have no longer.
    fn removed(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> Vec<Name> {
        let gone = self
            .told
            .iter()
            .filter(|(name, told)| **told != Told::Absent && snapshot.get(kind, name).is_none());
        let mut names: Vec<Name> = gone.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    fn tell(&mut self, resources: &[Arc<EncodedResource>], removed: &[Name]) {
        self.answer_due = false;
        for resource in resources {
            self.told.insert(resource.name.clone(), Told::Version(resource.hash));
        }
        for name in removed {
            if self.names.contains(name) {
                self.told.insert(name.clone(), Told::Absent);
            } else {
                self.told.remove(name);
            }
        }
    }
}

impl DeltaSession {
    fn response(
        &mut self,
        step: Step,
        kind: ResourceType,
        resources: &[Arc<EncodedResource>],
        removed: &[Name],
        rest: bool,
    ) -> pb::DeltaDiscoveryResponse {
        self.subscriptions[kind.index()].tell(resources, removed);
        let version = self.snapshot.of(kind).version.clone();
        let nonce = self.flows.sent(step, &version, rest);
        self.status.sent(kind, &version);
        let resources = resources.iter().map(|resource| pb::Resource {
            name: resource.name.to_string(),
            version: resource.version(),
            resource: Some(pb::Any { type_url: kind.type_url().to_owned(), value: resource.value.clone() }),
            ..Default::default()
        });
        pb::DeltaDiscoveryResponse {
            system_version_info: version,
            type_url: kind.type_url().to_owned(),
            resources: resources.collect(),
            removed_resources: removed.iter().map(|name| name.to_string()).collect(),
            nonce,
            ..Default::default()
        }
    }
}

impl Session for DeltaSession {
    type Request = pb::DeltaDiscoveryRequest;
    type Response = pb::DeltaDiscoveryResponse;
    type Secrets = DeltaSecrets;
    const DELTA: bool = true;

    fn new(snapshot: Arc<EncodedSnapshot>, status: Arc<StreamStatus>) -> DeltaSession {
        DeltaSession {
            snapshot,
            newer: None,
            status,
            flows: Flows::default(),
            subscriptions: Default::default(),
        }
    }

    fn node(request: &pb::DeltaDiscoveryRequest) -> Option<&pb::Node> {
        request.node.as_ref()
    }

    fn asks(request: &pb::DeltaDiscoveryRequest) -> (&str, &[String]) {
        (&request.type_url, &request.resource_names_subscribe)
    }

    /// A stale nonce takes nothing away from the subscriptions in a request: they are changes, not a state.
    fn receive(&mut self, request: pb::DeltaDiscoveryRequest, now: SystemTime) -> Result<(), InvalidRequest> {
        let Some(kind) = ResourceType::from_type_url(&request.type_url) else {
            tracing::debug!(type_url = request.type_url, "a proxy asks for a type that is not served");
            return Ok(());
        };
        let subscription = &mut self.subscriptions[kind.index()];
        let names = subscription.names.len() + request.resource_names_subscribe.len();
        let names = names.max(request.initial_resource_versions.len());
        if names > MAX_NAMES {
            return Err(InvalidRequest::TooManyNames(names));
        }
        if !request.response_nonce.is_empty() {
            let error = request.error_detail.as_ref();
            let answer = self.flows.of(kind).answered(&request.response_nonce, error.is_some());
            report_answer(&self.status, kind, &answer, error, now);
        }
        let (subscribe, unsubscribe) = (request.resource_names_subscribe, request.resource_names_unsubscribe);
        if !subscription.started || !subscribe.is_empty() || !unsubscribe.is_empty() {
            subscription.subscribe(kind, subscribe, request.initial_resource_versions);
            let snapshot = &self.snapshot;
            subscription.unsubscribe(unsubscribe, |name| snapshot.get(kind, name).is_some());
            self.flows.of(kind).touch();
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

    fn next(&mut self) -> Option<pb::DeltaDiscoveryResponse> {
        if !self.flows.holds_newer_back()
            && let Some(newer) = self.newer.take()
        {
            self.push(newer);
        }
        while let Some(step) = self.flows.next_step() {
            let (Step::Additions(kind) | Step::Removals(kind)) = step;
            let subscription = &self.subscriptions[kind.index()];
            let (resources, removed, complete) = match step {
                Step::Additions(_) => {
                    let (changed, complete) = subscription.changed(&self.snapshot, kind);
                    (changed, subscription.unknown(&self.snapshot, kind), complete)
                }
                Step::Removals(_) => (Vec::new(), subscription.removed(&self.snapshot, kind), true),
            };
            if resources.is_empty() && removed.is_empty() && !subscription.answer_due {
                self.flows.nothing(step);
            } else {
                return Some(self.response(step, kind, &resources, &removed, !complete));
            }
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
