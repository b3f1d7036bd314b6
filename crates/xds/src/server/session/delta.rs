//! The incremental dialect: names are subscribed one by one, and only what changed is sent.

use std::cell::Cell;
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
    /// The names of endpoints and routes, as hashes, of which the proxy has asked for all that follow from what it has.
    complete: Cell<Option<[u64; 2]>>,
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
    /// Version of the type of which it was told every addition and change that it wants, and the same of removals; empty:
    /// nothing is certain.
    additions_of: String,
    removals_of: String,
    /// Version of the type that additions were told of since removals were told last; empty: none were.
    told_of: String,
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

    /// Everything has to be looked at again.
    fn doubt(&mut self) {
        self.additions_of.clear();
        self.removals_of.clear();
    }

    /// Takes subscriptions. Whoever asks again is told again. `own`: a name as it is held already, so that it is held once.
    fn subscribe(
        &mut self,
        kind: ResourceType,
        names: Vec<String>,
        had: HashMap<String, String>,
        own: impl Fn(String) -> Name,
    ) {
        let first = !self.started;
        self.started = true;
        self.doubt();
        if first && names.is_empty() && kind.has_wildcard() {
            self.wildcard = true;
        }
        for name in names {
            if name == "*" {
                self.wildcard = true;
            } else {
                let name = own(name);
                self.told.remove(&name);
                self.names.insert(name);
            }
        }
        if first {
            self.answer_due = self.wildcard && had.is_empty();
            for (name, version) in had {
                if self.wants(&name) {
                    self.told.insert(own(name), Told::Version(EncodedResource::hash_of(&version)));
                }
            }
        }
    }

    fn unsubscribe(&mut self, names: Vec<String>, exists: impl Fn(&str) -> bool) {
        self.doubt();
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
        let of_type = snapshot.of(kind);
        match of_type.changed_since(&self.additions_of) {
            // Nothing else can be different from what the proxy was told.
            Some(names) => {
                let wanted = names.iter().filter(|name| self.wants(name));
                self.take(wanted.filter_map(|name| of_type.resources.get(name)))
            }
            None if self.wildcard => self.take(of_type.resources.values()),
            None => self.take(self.names.iter().filter_map(|name| of_type.resources.get(name))),
        }
    }

    /// Those of `pending` that the proxy does not have.
    fn take<'a>(
        &self,
        pending: impl Iterator<Item = &'a Arc<EncodedResource>>,
    ) -> (Vec<Arc<EncodedResource>>, bool) {
        let mut changed = Vec::new();
        let mut bytes = 0;
        for resource in pending.filter(|resource| !self.has(resource)) {
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
        // What was told of before is known.
        if snapshot.of(kind).changed_since(&self.additions_of).is_some() {
            return Vec::new();
        }
        let unknown = |name: &&Name| !self.told.contains_key(*name) && snapshot.get(kind, name).is_none();
        self.names.iter().filter(unknown).cloned().collect()
    }

    /// What the proxy has and should have no longer.
    fn removed(&self, snapshot: &EncodedSnapshot, kind: ResourceType) -> Vec<Name> {
        let of_type = snapshot.of(kind);
        let is_gone = |name: &Name| {
            self.told.get(name).is_some_and(|told| *told != Told::Absent)
                && !of_type.resources.contains_key(name)
        };
        // What was told of a version in between may be gone again, and then it is in neither of the two.
        let between = !self.told_of.is_empty() && self.told_of != of_type.version;
        let changed = of_type.changed_since(&self.removals_of).filter(|_| !between);
        let mut names: Vec<Name> = match changed {
            Some(names) => names.iter().filter(|name| is_gone(name)).cloned().collect(),
            None => self.told.keys().filter(|name| is_gone(name)).cloned().collect(),
        };
        names.sort();
        names
    }

    /// Notes that of this step nothing is left to be said of a version.
    fn settle(&mut self, step: Step, version: &str) {
        match step {
            Step::Additions(_) => version.clone_into(&mut self.additions_of),
            Step::Removals(_) => {
                version.clone_into(&mut self.removals_of);
                self.told_of.clear();
            }
        }
    }

    /// Notes that something of a version is told.
    fn begin(&mut self, step: Step, version: &str) {
        if matches!(step, Step::Additions(_)) {
            self.additions_of.clear();
            if !self.told_of.is_empty() && self.told_of != version {
                self.removals_of.clear();
            }
            version.clone_into(&mut self.told_of);
        }
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
        let version = self.snapshot.of(kind).version.clone();
        let subscription = &mut self.subscriptions[kind.index()];
        subscription.begin(step, &version);
        subscription.tell(resources, removed);
        if !rest {
            subscription.settle(step, &version);
        }
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
            complete: Cell::default(),
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
            let snapshot = &self.snapshot;
            let own = |name: String| match snapshot.get(kind, &name) {
                Some(resource) => resource.name.clone(),
                None => Name::from(name),
            };
            subscription.subscribe(kind, subscribe, request.initial_resource_versions, own);
            subscription.unsubscribe(unsubscribe, |name| snapshot.get(kind, name).is_some());
            self.complete.set(None);
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
            let subscription = &mut self.subscriptions[kind.index()];
            let (resources, removed, complete) = match step {
                Step::Additions(_) => {
                    let (changed, complete) = subscription.changed(&self.snapshot, kind);
                    (changed, subscription.unknown(&self.snapshot, kind), complete)
                }
                Step::Removals(_) => (Vec::new(), subscription.removed(&self.snapshot, kind), true),
            };
            if resources.is_empty() && removed.is_empty() && !subscription.answer_due {
                subscription.settle(step, &self.snapshot.of(kind).version);
                self.flows.nothing(step);
            } else {
                return Some(self.response(step, kind, &resources, &removed, !complete));
            }
        }
        None
    }

    fn answered(&self) -> Option<(&Arc<EncodedSnapshot>, bool)> {
        let of = |kind: ResourceType| &self.subscriptions[kind.index()];
        let names =
            [ResourceType::Endpoint, ResourceType::Route].map(|kind| self.snapshot.of(kind).names_hash());
        let known = self.complete.get() == Some(names);
        let wants = |kind, name: &Name| known || of(kind).wants(name);
        let refused = self.flows.answered(&self.snapshot, |kind| !known && of(kind).wildcard, wants)?;
        if !refused {
            self.complete.set(Some(names));
        }
        Some((&self.snapshot, refused))
    }
}
