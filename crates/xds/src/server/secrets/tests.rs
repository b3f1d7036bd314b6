//! Who subscribes to secrets gets them, gets the next ones, and nothing twice.
#![allow(clippy::unwrap_used)]

use ripstop_model::tls::{CertificateValidation, DataSource, SecretKind};

use super::*;

fn secret(name: &str, content: &str) -> Secret {
    let validation = CertificateValidation::trusting(DataSource::inline(content));
    Secret { name: name.into(), kind: SecretKind::Validation(Box::new(validation)) }
}

fn secrets(content: &[(&str, &str)]) -> EncodedSecrets {
    let secrets: Vec<Secret> = content.iter().map(|(name, content)| secret(name, content)).collect();
    EncodedSecrets::new(&secrets)
}

fn ask(names: &[&str], nonce: &str) -> pb::DiscoveryRequest {
    pb::DiscoveryRequest {
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        type_url: ResourceType::Secret.type_url().to_owned(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    }
}

#[test]
fn state_of_the_world() {
    let mut session = SotwSecrets::default();
    let first = secrets(&[("ROOTCA", "one"), ("other", "x")]);
    assert_eq!(session.next(&|name| first.get(name)), None, "nobody has asked");
    assert_eq!(session.receive(ask(&["ROOTCA"], "")).unwrap(), None);
    assert_eq!(session.next(&|name| EncodedSecrets::default().get(name)), None, "it is waited for");
    let response = session.next(&|name| first.get(name)).unwrap();
    assert_eq!((response.resources.len(), response.type_url.as_str()), (1, ResourceType::Secret.type_url()));
    assert_eq!(session.next(&|name| first.get(name)), None, "not before the answer");
    let answered = session.receive(ask(&["ROOTCA"], &response.nonce)).unwrap().unwrap();
    assert_eq!(answered.versions["ROOTCA"], first.version("ROOTCA").unwrap());
    assert_eq!(session.next(&|name| first.get(name)), None, "nothing new");

    let second = secrets(&[("ROOTCA", "two"), ("other", "x")]);
    let response = session.next(&|name| second.get(name)).unwrap();
    assert_eq!(session.receive(ask(&["ROOTCA"], "s1")).unwrap(), None, "an old nonce");
    let refusal = pb::DiscoveryRequest {
        error_detail: Some(pb::Status { message: "no".to_owned(), ..Default::default() }),
        ..ask(&["ROOTCA"], &response.nonce)
    };
    assert_eq!(session.receive(refusal).unwrap().unwrap().refused.as_deref(), Some("no"));
    assert_eq!(session.next(&|name| second.get(name)), None, "what was refused is not sent again");
    session.receive(ask(&["ROOTCA", "other"], &response.nonce)).unwrap();
    assert_eq!(session.next(&|name| second.get(name)).unwrap().resources.len(), 2);
    let many: Vec<String> = (0..=MAX_SECRET_NAMES).map(|name| name.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(SotwSecrets::default().receive(ask(&many, "")).is_err());
}

#[test]
fn incremental() {
    let mut session = DeltaSecrets::default();
    let subscribe = |names: &[&str]| pb::DeltaDiscoveryRequest {
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    session.receive(subscribe(&["default", "ROOTCA"])).unwrap();
    let first = secrets(&[("ROOTCA", "one"), ("default", "x"), ("third", "y")]);
    let response = session.next(&|name| first.get(name)).unwrap();
    assert_eq!(response.resources.len(), 2);
    let answer = |nonce: String| pb::DeltaDiscoveryRequest { response_nonce: nonce, ..Default::default() };
    assert!(session.receive(answer(response.nonce)).unwrap().is_some());
    let second = secrets(&[("ROOTCA", "two"), ("default", "x"), ("third", "y")]);
    let response = session.next(&|name| second.get(name)).unwrap();
    assert_eq!(response.resources[0].name, "ROOTCA");
    session.receive(answer(response.nonce)).unwrap();
    // Whoever comes back with what it has is told the rest.
    let mut again = DeltaSecrets::default();
    let mut request = subscribe(&["default", "ROOTCA"]);
    let has = second.version("ROOTCA").unwrap();
    request.initial_resource_versions.insert("ROOTCA".to_owned(), has);
    again.receive(request).unwrap();
    assert_eq!(again.next(&|name| second.get(name)).unwrap().resources[0].name, "default");
}

#[test]
fn nothing_of_a_secret_is_shown() {
    assert_eq!(format!("{:?}", secrets(&[("default", "hidden")])), "{\"default\"}");
}
