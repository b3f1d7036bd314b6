//! Explanations of requests to a small mesh.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::source;

fn world() -> World {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/mesh");
    source::load(&[directory]).unwrap().0
}

fn ask(world: &World, from: Option<&str>, authority: &str, path: &str) -> Explanation {
    ask_with(world, from, authority, path, |_| {}).unwrap()
}

fn ask_with(
    world: &World,
    from: Option<&str>,
    authority: &str,
    path: &str,
    change: impl FnOnce(&mut Question),
) -> Result<Explanation, Unexplained> {
    let mut question = Question {
        from: from.map(|name| ObjectKey::new("default", name)),
        scheme: "http".to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        method: "GET".to_owned(),
        headers: HeaderMap::new(),
        listener_port: None,
    };
    change(&mut question);
    explain(world, &question)
}

fn forwarding(explanation: &Explanation) -> &Forwarding {
    match &explanation.decision {
        Decision::Forward(forwarding) => forwarding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_at_the_edge_is_followed_to_the_applications() {
    let world = world();
    let explanation = ask(&world, None, "127.0.0.1:10000", "/api/products?page=2");
    assert_eq!(explanation.proxy.to_string(), "ingress.default");
    let listener = explanation.listener_place.as_ref().unwrap();
    assert_eq!(listener.kind.as_str(), "Gateway");
    let routing = explanation.routing.as_ref().unwrap();
    assert_eq!(routing.routes.len(), 2);
    let (first, taken) = (&routing.routes[0], &routing.routes[1]);
    assert_eq!(first.why_not.as_deref(), Some("the path `/api/products` does not begin with `/api/users`"));
    let place = first.place.as_ref().unwrap();
    assert_eq!(
        (place.kind.as_str(), &*place.key.name, &*place.origin.path),
        ("VirtualService", "shop", "spec.http[0]")
    );
    assert!(taken.why_not.is_none());
    assert_eq!(&*taken.place.as_ref().unwrap().origin.path, "spec.http[1]");

    let forwarding = forwarding(&explanation);
    assert_eq!(forwarding.path.as_deref(), Some("/products?page=2"));
    assert_eq!(forwarding.timeout, Some(Duration::from_secs(30)));
    let retries = forwarding.retries.as_ref().unwrap();
    assert_eq!((retries.attempts, retries.per_try_timeout), (3, Some(Duration::from_secs(2))));
    assert!(retries.repeats_processed && retries.on.contains(&"5xx"));
    let shares: Vec<(f64, usize)> =
        forwarding.targets.iter().map(|target| (target.percent, target.candidates.len())).collect();
    assert_eq!(shares, [(90.0, 2), (10.0, 1)]);
    let v2 = &forwarding.targets[1];
    assert_eq!((v2.balancer, v2.mtls), ("ROUND_ROBIN", true));
    assert_eq!(&*v2.places[1].origin.path, "spec.subsets[1]");
    assert!(
        v2.ejection.as_deref().unwrap().starts_with("after 5 errors in a row, for 10s"),
        "{:?}",
        v2.ejection
    );
    let candidate = &v2.candidates[0];
    assert_eq!(candidate.workload, Some(ObjectKey::new("default", "product-3")));
    let inbound = candidate.inbound.as_ref().unwrap();
    assert_eq!((inbound.mode, inbound.refused.is_none()), (MtlsMode::Strict, true));
    assert_eq!(inbound.application, Some("127.0.0.1:8084".parse().unwrap()));
    assert_eq!(inbound.mode_place.as_ref().unwrap().kind.as_str(), "PeerAuthentication");
}

#[test]
fn a_post_is_not_repeated_once_it_may_have_been_processed() {
    let world = world();
    let post =
        ask_with(&world, None, "x", "/api/products", |question| question.method = "POST".to_owned()).unwrap();
    assert!(!forwarding(&post).retries.as_ref().unwrap().repeats_processed);
}

#[test]
fn a_sidecar_is_asked_by_host_or_by_port() {
    let world = world();
    let by_host = ask(&world, Some("gateway-1"), "user-service", "/users");
    assert_eq!(
        &*forwarding(&by_host).targets[0].cluster,
        "outbound|8081||user-service.default.svc.cluster.local"
    );
    let tried = &by_host.routing.as_ref().unwrap().routes[0];
    assert_eq!(tried.place.as_ref().unwrap().kind.as_str(), "Service");
    let by_port = ask_with(&world, Some("gateway-1"), "127.0.0.1:15202", "/products", |question| {
        question.listener_port = Some(15202);
    });
    assert_eq!(forwarding(&by_port.unwrap()).targets.len(), 2);
    let unknown = ask(&world, Some("gateway-1"), "www.example.org", "/");
    assert!(matches!(&unknown.decision, Decision::Answer { status: 502, .. }), "{:?}", unknown.decision);
}

#[test]
fn what_cannot_be_explained_says_what_is_there() {
    let world = world();
    let error = ask_with(&world, Some("nobody"), "x", "/", |_| {}).unwrap_err().to_string();
    assert!(error.contains("no workload `nobody`"), "{error}");
    let error = ask_with(&world, Some("gateway-1"), "x", "/", |question| question.listener_port = Some(1));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("gateway-1.default has no listener") && error.contains("127.0.0.1_15105"),
        "{error}"
    );
}
