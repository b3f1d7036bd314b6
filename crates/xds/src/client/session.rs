//! The client's half of incremental ADS without its I/O: responses go in, requests and snapshots come out.
//! What was accepted outlives the streams.

use std::collections::{BTreeSet, HashMap};

use ripstop_model::Name;

use super::holdings::Holdings;
use super::introduction::Introduction;
use crate::{ResourceType, pb};

/// Everything that the client knows.
pub(super) struct ClientSession {
    introduction: Introduction,
    /// Whether the node was named on this stream.
    introduced: bool,
    /// Version of each accepted resource, by type.
    versions: [HashMap<Name, String>; ResourceType::COUNT],
    /// Names subscribed on this stream, by type.
    subscribed: [BTreeSet<Name>; ResourceType::COUNT],
}

impl ClientSession {
    pub(super) fn new(introduction: Introduction) -> ClientSession {
        ClientSession {
            introduction,
            introduced: false,
            versions: Default::default(),
            subscribed: Default::default(),
        }
    }

    /// A new stream: what to say first. Everything that is already here is named with its version.
    pub(super) fn connected(&mut self, holdings: &mut Holdings) -> Vec<pb::DeltaDiscoveryRequest> {
        self.subscribed = Default::default();
        self.introduced = false;
        let mut requests = Vec::new();
        for kind in ResourceType::ALL {
            let wanted = holdings.graph.wanted(kind);
            if !holdings.graph.subscribes_all(kind) && wanted.is_empty() {
                continue;
            }
            let node = self.introduce();
            let held = self.versions[kind.index()].iter();
            requests.push(pb::DeltaDiscoveryRequest {
                node,
                type_url: kind.type_url().to_owned(),
                resource_names_subscribe: wanted.iter().map(|name| name.to_string()).collect(),
                initial_resource_versions: held.map(|(name, v)| (name.to_string(), v.clone())).collect(),
                ..Default::default()
            });
            self.subscribed[kind.index()] = wanted;
        }
        requests
    }

    /// Takes a response. The requests that follow from it come first, the answer to it last: whoever serves
    /// make-before-break sees what is needed for a change before it goes on.
    pub(super) fn receive(
        &mut self,
        holdings: &mut Holdings,
        response: pb::DeltaDiscoveryResponse,
    ) -> Vec<pb::DeltaDiscoveryRequest> {
        let Some(kind) = ResourceType::from_type_url(&response.type_url) else {
            tracing::warn!(
                type_url = response.type_url,
                "the control plane sent a type that was not asked for"
            );
            return Vec::new();
        };
        holdings.graph.announce(kind);
        let mut refusals = Vec::new();
        for resource in response.resources {
            let name = Name::from(resource.name.as_str());
            let taken = holdings
                .read_named(kind, &resource)
                .and_then(|(_, value, warnings)| holdings.accept(kind, name.clone(), value, warnings));
            match taken {
                Ok(()) => drop(self.versions[kind.index()].insert(name, resource.version)),
                Err(refusal) => {
                    holdings.graph.refuse(kind, name);
                    refusals.push(refusal);
                }
            }
        }
        for name in response.removed_resources {
            let name = Name::from(name);
            holdings.graph.remove(kind, &name);
            self.drop_record(holdings, kind, &name);
        }
        // Endpoints ask for nothing themselves, and they change most often.
        let mut requests =
            if kind == ResourceType::Endpoint { Vec::new() } else { self.resubscribe(holdings) };
        requests.push(pb::DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            response_nonce: response.nonce,
            error_detail: holdings.report(kind, response.system_version_info, &refusals),
            ..Default::default()
        });
        requests
    }

    /// The changes of subscription that the resources ask for by now.
    pub(super) fn resubscribe(&mut self, holdings: &mut Holdings) -> Vec<pb::DeltaDiscoveryRequest> {
        let mut requests = Vec::new();
        for kind in ResourceType::BY_NAME {
            let wanted = holdings.graph.wanted(kind);
            let had = &self.subscribed[kind.index()];
            let subscribe: Vec<String> = wanted.difference(had).map(|name| name.to_string()).collect();
            let unsubscribe: Vec<Name> = had.difference(&wanted).cloned().collect();
            if subscribe.is_empty() && unsubscribe.is_empty() {
                continue;
            }
            for name in &unsubscribe {
                holdings.graph.forget(kind, name);
                self.drop_record(holdings, kind, name);
            }
            self.subscribed[kind.index()] = wanted;
            requests.push(pb::DeltaDiscoveryRequest {
                node: self.introduce(),
                type_url: kind.type_url().to_owned(),
                resource_names_subscribe: subscribe,
                resource_names_unsubscribe: unsubscribe.iter().map(|name| name.to_string()).collect(),
                ..Default::default()
            });
        }
        requests
    }

    /// The node, once on each stream.
    fn introduce(&mut self) -> Option<pb::Node> {
        (!std::mem::replace(&mut self.introduced, true)).then(|| self.introduction.node.clone())
    }

    fn drop_record(&mut self, holdings: &mut Holdings, kind: ResourceType, name: &Name) {
        self.versions[kind.index()].remove(name);
        holdings.drop_record(kind, name);
    }
}

#[cfg(test)]
pub(super) mod tests;
