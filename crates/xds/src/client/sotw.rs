//! The client's half of state-of-the-world ADS without its I/O: each response lists everything of its type (clusters,
//! listeners) or what of it has changed (endpoints, routes).

use std::collections::BTreeSet;

use ripstop_model::Name;

use super::holdings::Holdings;
use super::introduction::Introduction;
use crate::decode::{Problem, Rejection};
use crate::{ResourceType, pb};
use prost::{Message as _, Name as _};

/// What was said about one type.
#[derive(Default)]
struct TypeState {
    /// Version of the last response that was accepted; outlives the streams.
    version: String,
    /// Nonce of the last response on this stream.
    nonce: String,
    /// Names asked for on this stream.
    asked: BTreeSet<Name>,
    /// Names of clusters or listeners that the last response had.
    listed: BTreeSet<Name>,
}

/// Everything that the client knows.
pub(super) struct SotwSession {
    introduction: Introduction,
    /// Whether the node is named in the first request of a stream alone.
    names_node_once: bool,
    types: [TypeState; ResourceType::COUNT],
    introduced: bool,
}

impl SotwSession {
    pub(super) fn new(introduction: Introduction, names_node_once: bool) -> SotwSession {
        SotwSession { introduction, names_node_once, types: Default::default(), introduced: false }
    }

    /// A new stream: what to say first.
    pub(super) fn connected(&mut self, holdings: &mut Holdings) -> Vec<pb::DiscoveryRequest> {
        self.introduced = false;
        for state in &mut self.types {
            state.nonce.clear();
            state.asked.clear();
        }
        let mut requests = Vec::new();
        for kind in ResourceType::ALL {
            let wanted = holdings.graph.wanted(kind);
            if holdings.graph.subscribes_all(kind) || !wanted.is_empty() {
                self.types[kind.index()].asked = wanted;
                requests.push(self.request(kind, None));
            }
        }
        requests
    }

    /// Takes a response. The requests that follow from it come first, the answer to it last.
    pub(super) fn receive(
        &mut self,
        holdings: &mut Holdings,
        response: pb::DiscoveryResponse,
    ) -> Vec<pb::DiscoveryRequest> {
        let Some(kind) = ResourceType::from_type_url(&response.type_url) else {
            tracing::warn!(type_url = response.type_url, "a type was sent that was not asked for");
            return Vec::new();
        };
        holdings.graph.announce(kind);
        let mut refusals = Vec::new();
        let mut listed = BTreeSet::new();
        for any in &response.resources {
            let taken = unwrapped(holdings, kind, any).and_then(|(name, value, warnings)| {
                listed.insert(name.clone());
                match kind.has_wildcard() || self.types[kind.index()].asked.contains(&name) {
                    true => holdings.accept(kind, name, value, warnings),
                    false => Ok(()),
                }
            });
            if let Err(refusal) = taken {
                let name = Name::from(refusal.name.as_str());
                listed.insert(name.clone());
                holdings.graph.refuse(kind, name);
                refusals.push(refusal);
            }
        }
        if kind.has_wildcard() {
            let before = std::mem::replace(&mut self.types[kind.index()].listed, listed);
            for name in before.difference(&self.types[kind.index()].listed) {
                holdings.graph.remove(kind, name);
                holdings.drop_record(kind, name);
            }
        }
        let error = holdings.report(kind, response.version_info.clone(), &refusals);
        let state = &mut self.types[kind.index()];
        state.nonce = response.nonce;
        if error.is_none() {
            state.version = response.version_info;
        }
        // Endpoints ask for nothing themselves, and they change most often.
        let mut requests =
            if kind == ResourceType::Endpoint { Vec::new() } else { self.resubscribe(holdings) };
        requests.push(self.request(kind, error));
        requests
    }

    /// The changes of subscription that the resources ask for by now.
    pub(super) fn resubscribe(&mut self, holdings: &mut Holdings) -> Vec<pb::DiscoveryRequest> {
        let mut requests = Vec::new();
        for kind in ResourceType::BY_NAME {
            let wanted = holdings.graph.wanted(kind);
            let state = &mut self.types[kind.index()];
            if state.asked == wanted {
                continue;
            }
            for name in state.asked.difference(&wanted) {
                holdings.graph.forget(kind, name);
                holdings.drop_record(kind, name);
            }
            state.asked = wanted;
            requests.push(self.request(kind, None));
        }
        requests
    }

    fn request(&mut self, kind: ResourceType, error: Option<pb::Status>) -> pb::DiscoveryRequest {
        let names_node = !self.introduced || !self.names_node_once;
        self.introduced = true;
        let state = &self.types[kind.index()];
        pb::DiscoveryRequest {
            version_info: state.version.clone(),
            node: names_node.then(|| self.introduction.node.clone()),
            resource_names: state.asked.iter().map(ToString::to_string).collect(),
            type_url: kind.type_url().to_owned(),
            response_nonce: state.nonce.clone(),
            error_detail: error,
            ..Default::default()
        }
    }
}

/// A resource may come in a `Resource`, which gives it a name.
fn unwrapped(
    holdings: &Holdings,
    kind: ResourceType,
    any: &pb::Any,
) -> Result<super::holdings::Read, Rejection> {
    if any.type_url != pb::Resource::type_url() {
        return holdings.read(kind, Some(any));
    }
    match pb::Resource::decode(any.value.as_slice()) {
        Ok(wrapped) => holdings.read_named(kind, &wrapped),
        Err(error) => {
            let message = format!("not a valid {}: {error}", pb::Resource::full_name());
            Err(Rejection { name: String::new(), problems: vec![Problem { path: String::new(), message }] })
        }
    }
}

#[cfg(test)]
mod tests;
