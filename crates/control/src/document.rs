//! Documents into resources: every problem of a document at once, with path, line and column. What resources mean
//! together is [`crate::world`].

mod authorization_policy;
mod base64;
mod certificates;
mod client_tls;
mod common;
mod connection_pool;
mod credential;
mod defaults;
mod destination;
mod destination_rule;
mod entry_endpoint;
mod envelope;
mod export_to;
mod gateway;
mod http_match;
mod http_route;
mod l4_route;
mod load_balancer;
mod mesh;
mod peer_authentication;
mod request_authentication;
mod selector;
mod server_tls;
mod service;
mod service_entry;
mod sidecar;
mod telemetry;
mod traffic_policy;
mod virtual_service;
mod workload;

use std::borrow::Cow;

use ripstop_yaml::{Document, Problem, Problems, Reader, Source, Value, parse};

use crate::mesh_config;
use crate::resource::{Kind, Metadata, Resource};
use common::Decoder;

/// Reads all documents of a text. A document with an error gives no resource; the others do.
pub fn decode(source: &Source) -> (Vec<Resource>, Vec<Problem>) {
    let documents = match parse(source) {
        Ok(documents) => documents,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut resources = Vec::new();
    let mut found = Vec::new();
    for document in with_expanded(&documents, source, &mut found) {
        let document = &*document;
        let problems = Problems::new(source);
        let resource = decode_document(document, &problems);
        resources.extend(resource.filter(|_| !problems.has_errors()));
        found.extend(problems.into_vec());
    }
    (resources, found)
}

/// The documents, with those that `mesh-config.yml` stands for in its place.
fn with_expanded<'a>(
    documents: &'a [Document],
    source: &Source,
    found: &mut Vec<Problem>,
) -> Vec<Cow<'a, Document>> {
    let mut all = Vec::with_capacity(documents.len());
    for document in documents {
        if mesh_config::is_one(document) {
            let (expanded, problems) = mesh_config::expand(document, source);
            found.extend(problems);
            all.extend(expanded.into_iter().map(Cow::Owned));
        } else {
            all.push(Cow::Borrowed(document));
        }
    }
    all
}

fn decode_document(document: &Document, problems: &Problems) -> Option<Resource> {
    let decoder = Decoder { problems };
    let root = Reader::new(&document.root, "", problems);
    if matches!(document.root.value, Value::Scalar(_) | Value::Sequence(_)) {
        // Said already; which fields it lacks says nothing more.
        return None;
    }
    let kind = envelope::kind(&root)?;
    let (meta, namespace_written) = envelope::metadata(&decoder, &root, kind)?;
    // The cluster writes it; it says nothing about what is wanted.
    root.node("status");
    let Some(spec) = root.required("spec").and_then(|field| field.map()) else {
        root.finish();
        return None;
    };
    root.finish();
    let resource = decode_spec(&decoder, kind, meta, &spec, namespace_written);
    spec.finish();
    resource
}

fn decode_spec(
    decoder: &Decoder<'_>,
    kind: Kind,
    meta: Metadata,
    spec: &Reader<'_>,
    namespace_written: bool,
) -> Option<Resource> {
    Some(match kind {
        Kind::Mesh => Resource::Mesh(mesh::decode(decoder, spec, meta, namespace_written)?),
        Kind::Service => Resource::Service(service::decode(decoder, spec, meta)),
        Kind::Workload => Resource::Workload(workload::decode(decoder, spec, meta)?),
        Kind::Credential => Resource::Credential(credential::decode(spec, meta)),
        Kind::VirtualService => Resource::VirtualService(virtual_service::decode(decoder, spec, meta)),
        Kind::DestinationRule => Resource::DestinationRule(destination_rule::decode(decoder, spec, meta)?),
        Kind::Gateway => Resource::Gateway(gateway::decode(decoder, spec, meta)),
        Kind::ServiceEntry => Resource::ServiceEntry(service_entry::decode(decoder, spec, meta)),
        Kind::WorkloadEntry => Resource::WorkloadEntry(service_entry::decode_workload(decoder, spec, meta)?),
        Kind::WorkloadGroup => Resource::WorkloadGroup(service_entry::decode_group(decoder, spec, meta)?),
        Kind::Sidecar => Resource::Sidecar(sidecar::decode(decoder, spec, meta)),
        Kind::PeerAuthentication => Resource::PeerAuthentication(peer_authentication::decode(spec, meta)),
        Kind::RequestAuthentication => {
            Resource::RequestAuthentication(request_authentication::decode(decoder, spec, meta))
        }
        Kind::AuthorizationPolicy => {
            Resource::AuthorizationPolicy(authorization_policy::decode(decoder, spec, meta))
        }
        Kind::Telemetry => Resource::Telemetry(telemetry::decode(spec, meta)),
    })
}
