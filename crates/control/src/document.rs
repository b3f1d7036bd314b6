//! Documents into resources: every problem of a document at once, with path, line and column. What resources mean
//! together is [`crate::world`].

mod common;
mod destination_rule;
mod envelope;
mod gateway;
mod http_match;
mod http_route;
mod mesh;
mod peer_authentication;
mod service;
mod traffic_policy;
mod virtual_service;
mod workload;

use ripstop_yaml::{Document, Problem, Problems, Reader, Source, Value, parse};

use crate::resource::{Kind, Metadata, Resource};
use common::Decoder;

/// API versions of our own kinds.
const OWN: &[&str] = &["ripstop.io/v1"];
/// API versions of Istio's traffic kinds.
const NETWORKING: &[&str] =
    &["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];
/// API versions of Istio's security kinds.
const SECURITY: &[&str] =
    &["security.istio.io/v1", "security.istio.io/v1beta1", "security.istio.io/v1alpha3"];

/// API versions in which a kind is accepted.
fn api_versions(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Mesh | Kind::Service | Kind::Workload => OWN,
        Kind::VirtualService | Kind::DestinationRule | Kind::Gateway => NETWORKING,
        Kind::PeerAuthentication => SECURITY,
    }
}

/// Reads all documents of a text. A document with an error gives no resource; the others do.
pub fn decode(source: &Source) -> (Vec<Resource>, Vec<Problem>) {
    let documents = match parse(source) {
        Ok(documents) => documents,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut resources = Vec::new();
    let mut found = Vec::new();
    for document in &documents {
        let problems = Problems::new(source);
        let resource = decode_document(document, &problems);
        resources.extend(resource.filter(|_| !problems.has_errors()));
        found.extend(problems.into_vec());
    }
    (resources, found)
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
        Kind::Mesh => Resource::Mesh(mesh::decode(spec, meta, namespace_written)?),
        Kind::Service => Resource::Service(service::decode(decoder, spec, meta)),
        Kind::Workload => Resource::Workload(workload::decode(decoder, spec, meta)?),
        Kind::VirtualService => Resource::VirtualService(virtual_service::decode(decoder, spec, meta)),
        Kind::DestinationRule => Resource::DestinationRule(destination_rule::decode(decoder, spec, meta)?),
        Kind::PeerAuthentication => Resource::PeerAuthentication(peer_authentication::decode(spec, meta)),
        Kind::Gateway => Resource::Gateway(gateway::decode(decoder, spec, meta)),
    })
}
