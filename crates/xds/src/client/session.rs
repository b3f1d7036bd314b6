//! The client's half of incremental ADS without its I/O: responses go in, requests and snapshots come out.
//! What was accepted outlives the streams.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::{Name, Node, Snapshot};

use super::graph::{Accepted, Graph};
use super::status::{ClientReport, ClientStatus};
use crate::decode::{self, Decoded, Rejection, Unsupported};
use crate::{ResourceType, pb};

/// Longest text of a refusal in bytes.
const MAX_NACK_BYTES: usize = 8 << 10;
/// Most warnings kept for the status.
const MAX_WARNINGS: usize = 1000;
/// gRPC's number for a request that makes no sense.
const INVALID_ARGUMENT: i32 = 3;

/// Everything that the client knows.
pub(super) struct ClientSession {
    node: Node,
    status: Arc<ClientStatus>,
    graph: Graph,
    /// Version of each accepted resource, by type.
    versions: [HashMap<Name, String>; 4],
    /// What the accepted resources say without effect.
    warnings: BTreeMap<(ResourceType, Name), Vec<Unsupported>>,
    /// Names subscribed on this stream, by type.
    subscribed: [BTreeSet<Name>; 4],
}

impl ClientSession {
    pub(super) fn new(node: Node, status: Arc<ClientStatus>) -> ClientSession {
        ClientSession {
            node,
            status,
            graph: Graph::default(),
            versions: Default::default(),
            warnings: BTreeMap::new(),
            subscribed: Default::default(),
        }
    }

    /// A new stream: what to say first. Everything that is already here is named with its version.
    pub(super) fn connected(&mut self) -> Vec<pb::DeltaDiscoveryRequest> {
        self.subscribed = Default::default();
        let mut requests = Vec::new();
        for kind in ResourceType::ALL {
            let wanted = self.graph.wanted(kind);
            if !kind.has_wildcard() && wanted.is_empty() {
                continue;
            }
            let held = self.versions[kind.index()].iter();
            requests.push(pb::DeltaDiscoveryRequest {
                node: requests.is_empty().then(|| wire_node(&self.node)),
                type_url: kind.type_url().to_owned(),
                resource_names_subscribe: wanted.iter().map(|name| name.to_string()).collect(),
                initial_resource_versions: held.map(|(name, v)| (name.to_string(), v.clone())).collect(),
                ..Default::default()
            });
            self.subscribed[kind.index()] = wanted;
        }
        requests
    }

    /// The stream is gone. What was accepted stays.
    pub(super) fn disconnected(&mut self) {
        self.graph.disconnected();
    }

    /// Takes a response. The requests that follow from it come first, the answer to it last: whoever serves
    /// make-before-break sees what is needed for a change before it goes on.
    pub(super) fn receive(&mut self, response: pb::DeltaDiscoveryResponse) -> Vec<pb::DeltaDiscoveryRequest> {
        let Some(kind) = ResourceType::from_type_url(&response.type_url) else {
            tracing::warn!(
                type_url = response.type_url,
                "the control plane sent a type that was not asked for"
            );
            return Vec::new();
        };
        self.graph.announce(kind);
        let mut refusals = Vec::new();
        for resource in response.resources {
            let name = Name::from(resource.name.as_str());
            match accept(kind, &resource) {
                Ok((value, warnings)) => {
                    self.versions[kind.index()].insert(name.clone(), resource.version);
                    for warning in &warnings {
                        tracing::warn!(%kind, %name, "{warning}");
                    }
                    self.warnings.insert((kind, name.clone()), warnings);
                    self.graph.accept(name, value);
                }
                Err(refusal) => {
                    self.graph.refuse(kind, name);
                    refusals.push(refusal);
                }
            }
        }
        for name in response.removed_resources {
            let name = Name::from(name);
            self.graph.remove(kind, &name);
            self.drop_record(kind, &name);
        }
        // Endpoints ask for nothing themselves, and they change most often.
        let mut requests = if kind == ResourceType::Endpoint { Vec::new() } else { self.resubscribe() };
        requests.push(pb::DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            response_nonce: response.nonce,
            error_detail: self.report(kind, response.system_version_info, &refusals),
            ..Default::default()
        });
        requests
    }

    /// A snapshot, if there is a new one to hand out.
    pub(super) fn emit(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        let snapshot = self.graph.emit(now)?;
        self.status.update(|report| report.snapshots += 1);
        Some(snapshot)
    }

    /// When to ask for a snapshot although nothing has come.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.graph.deadline()
    }

    /// The changes of subscription that the resources ask for by now.
    pub(super) fn resubscribe(&mut self) -> Vec<pb::DeltaDiscoveryRequest> {
        let mut requests = Vec::new();
        for kind in [ResourceType::Endpoint, ResourceType::Route] {
            let wanted = self.graph.wanted(kind);
            let had = &self.subscribed[kind.index()];
            let subscribe: Vec<String> = wanted.difference(had).map(|name| name.to_string()).collect();
            let unsubscribe: Vec<Name> = had.difference(&wanted).cloned().collect();
            if subscribe.is_empty() && unsubscribe.is_empty() {
                continue;
            }
            for name in &unsubscribe {
                self.graph.forget(kind, name);
                self.drop_record(kind, name);
            }
            self.subscribed[kind.index()] = wanted;
            requests.push(pb::DeltaDiscoveryRequest {
                type_url: kind.type_url().to_owned(),
                resource_names_subscribe: subscribe,
                resource_names_unsubscribe: unsubscribe.iter().map(|name| name.to_string()).collect(),
                ..Default::default()
            });
        }
        requests
    }

    fn drop_record(&mut self, kind: ResourceType, name: &Name) {
        self.versions[kind.index()].remove(name);
        self.warnings.remove(&(kind, name.clone()));
    }

    /// Tells the status, and makes the error of the answer if something was refused.
    fn report(&mut self, kind: ResourceType, version: String, refusals: &[Rejection]) -> Option<pb::Status> {
        let warnings = self.warnings.iter().flat_map(|((kind, name), list)| {
            list.iter().map(move |warning| format!("{kind} {name}: {warning}"))
        });
        let warnings: Vec<String> = warnings.take(MAX_WARNINGS).collect();
        if refusals.is_empty() {
            self.status.update(|report: &mut ClientReport| {
                report.accepted += 1;
                report.versions.insert(kind, version);
                report.warnings = warnings;
            });
            return None;
        }
        let list: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        let mut message = list.join("\n");
        message.truncate(message.floor_char_boundary(MAX_NACK_BYTES));
        tracing::error!(%kind, version, "refused: {message}");
        self.status.update(|report| {
            report.rejected += 1;
            report.last_error = Some(format!("{kind} refused: {message}"));
            report.warnings = warnings;
        });
        Some(pb::Status { code: INVALID_ARGUMENT, message, ..Default::default() })
    }
}

/// Reads one resource and checks that it is what it is sent as.
fn accept(kind: ResourceType, resource: &pb::Resource) -> Result<(Accepted, Vec<Unsupported>), Rejection> {
    let refuse = |message: String| Rejection {
        name: resource.name.clone(),
        problems: vec![decode::Problem { path: String::new(), message }],
    };
    let Some(any) = &resource.resource else { return Err(refuse("holds no resource".to_owned())) };
    if any.type_url != kind.type_url() {
        return Err(refuse(format!("is a {}, not a {}", any.type_url, kind.type_url())));
    }
    let bytes = any.value.as_slice();
    let (inner_name, value, warnings) = match kind {
        ResourceType::Cluster => {
            let Decoded { value, warnings } = decode::decode_cluster(bytes)?;
            (value.name.clone(), Accepted::Cluster(value), warnings)
        }
        ResourceType::Endpoint => {
            let Decoded { value, warnings } = decode::decode_load_assignment(bytes)?;
            (value.cluster_name.clone(), Accepted::Endpoints(value), warnings)
        }
        ResourceType::Listener => {
            let Decoded { value, warnings } = decode::decode_listener(bytes)?;
            (value.name.clone(), Accepted::Listener(value), warnings)
        }
        ResourceType::Route => {
            let Decoded { value, warnings } = decode::decode_route_configuration(bytes)?;
            (value.name.clone(), Accepted::Routes(value), warnings)
        }
    };
    if *inner_name != *resource.name {
        return Err(refuse(format!("holds a resource named '{inner_name}'")));
    }
    Ok((value, warnings))
}

fn wire_node(node: &Node) -> pb::Node {
    let fields = node.metadata.iter().map(|(key, value)| {
        (key.clone(), pb::Value { kind: Some(pb::value::Kind::StringValue(value.clone())) })
    });
    let (name, version) = node.user_agent.split_once(' ').unwrap_or((&node.user_agent, ""));
    pb::Node {
        id: node.id.clone(),
        cluster: node.cluster.clone(),
        metadata: Some(pb::Struct { fields: fields.collect() }),
        user_agent_name: name.to_owned(),
        user_agent_version_type: (!version.is_empty())
            .then(|| pb::node::UserAgentVersionType::UserAgentVersion(version.to_owned())),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
