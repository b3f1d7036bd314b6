//! From a join token to a snapshot, and from an edit to the proxies that it concerns.

use std::fs;
use std::time::Duration;

use ripstop_identity::tls::Present;
use ripstop_model::{Address, Snapshot};

use crate::eventually;
use crate::proxy::Workload;
use crate::running::{Running, Scratch};

fn ports(snapshot: &Snapshot) -> Vec<u16> {
    let mut ports: Vec<u16> = snapshot
        .listeners
        .values()
        .map(|listener| match &listener.address.address {
            Address::Socket(address) => address.port(),
            other => panic!("{other:?}"),
        })
        .collect();
    ports.sort_unstable();
    ports
}

#[tokio::test]
async fn a_token_leads_to_a_certificate_and_that_to_a_snapshot() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "gateway-1").await;
    let id = workload.identity.svid().unwrap().id().to_string();
    assert_eq!(id, "spiffe://cluster.local/ns/default/sa/gateway-service");

    let mut proxy = workload.follow("sidecar", "gateway-1", Present::CurrentSvid);
    let snapshot = proxy.snapshot().await;
    assert_eq!(ports(&snapshot), [15005, 15105, 15201, 15202]);
    assert!(snapshot.dangling().is_empty(), "{:?}", snapshot.dangling());

    let report = eventually("everything is accepted", async || {
        running.proxy("gateway-1").await.filter(|proxy| {
            let types = proxy["streams"][0]["types"].as_object().unwrap();
            proxy["synced"] == true && types.len() == 4
        })
    })
    .await;
    assert_eq!(report["identity"], id);
    assert_eq!(report["streams"][0]["connected"], true);
    assert_eq!(report["streams"][0]["user_agent"].as_str().map(|agent| agent.contains("test")), Some(true));
    assert!(report["streams"][0]["connected_since"].as_str().unwrap().ends_with('Z'));
    assert_eq!(report["streams"][0]["types"]["CDS"]["nacks"], 0);
    assert_eq!(running.metric("ripstop_control_connected_proxies").await, 1.0);
    assert_eq!(running.metric("ripstop_control_certificates_issued_total").await, 1.0);

    drop(proxy);
    eventually("the proxy is forgotten", async || running.proxy("gateway-1").await.is_none().then_some(()))
        .await;
    running.stop().await;
}

#[tokio::test]
async fn whoever_is_not_the_workload_is_refused() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "product-1").await;
    let check = async |role: &str, node: &str, present: Present, part: &str| {
        let refusal = workload.follow(role, node, present).refusal().await;
        assert!(refusal.contains(part), "{refusal}");
    };
    check("sidecar", "user-1", Present::CurrentSvid, "the certificate is for").await;
    check("sidecar", "gone", Present::CurrentSvid, "there is no workload `gone`").await;
    check("router", "product-1", Present::CurrentSvid, "role `sidecar`").await;
    check("sidecar", "product-1", Present::Nothing, "shows no valid certificate").await;
    assert!(running.metric("ripstop_control_refused_streams_total").await >= 4.0);
    assert_eq!(running.metric("ripstop_control_connected_proxies").await, 0.0);
    running.stop().await;
}

#[tokio::test]
async fn a_token_works_once_and_only_for_its_workload() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let (token, id) = running.token("user-1").await;
    let newcomer = Workload::newcomer(&scratch, &running);
    newcomer.join(&(token.clone(), id.clone()), Duration::from_secs(60)).await.unwrap();
    let svid = newcomer.identity.svid().unwrap();
    let life = svid.not_after().duration_since(svid.not_before()).unwrap();
    let asked = Duration::from_secs(60) + ripstop_identity::authority::BACKDATE;
    assert!(life <= asked + Duration::from_secs(1), "a shorter life is honoured: {life:?}");

    let thief = Workload::newcomer(&scratch, &running);
    let error = thief.join(&(token, id.clone()), Duration::ZERO).await.unwrap_err();
    assert!(error.contains("already used"), "{error}");
    let (token, _) = running.token("product-1").await;
    let error = thief.join(&(token, id), Duration::ZERO).await.unwrap_err();
    assert!(error.contains("the peer proved to be"), "{error}");
    assert_eq!(
        running.metric(r#"ripstop_control_certificates_refused_total{reason="bad_token"}"#).await,
        1.0
    );
    running.stop().await;
}

#[tokio::test]
async fn an_edit_reaches_the_proxies_that_it_concerns() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let ingress = Workload::certified(&scratch, &running, "ingress").await;
    let product = Workload::certified(&scratch, &running, "product-1").await;
    let mut ingress = ingress.follow("router", "ingress", Present::CurrentSvid);
    let mut product = product.follow("sidecar", "product-1", Present::CurrentSvid);
    let (before, of_product) = (ingress.snapshot().await, product.snapshot().await);
    assert_eq!(ports(&before), [10000]);

    // Only gateways route so.
    scratch.edit("traffic.yaml", "prefix: /api/users}", "prefix: /api/people}");
    let after = eventually("the gateway has another route", async || {
        Some(ingress.snapshot().await).filter(|now| now.routes != before.routes)
    })
    .await;
    assert_eq!(after.clusters, before.clusters);
    eventually("all have been seen to", async || {
        let metric = running.metric("ripstop_control_push_time_seconds_count").await;
        (metric >= 1.0).then_some(())
    })
    .await;
    let revisions = async |workload: &str| {
        let proxy = running.proxy(workload).await.unwrap();
        (proxy["revision"].as_u64().unwrap(), proxy["changed_in"].as_u64().unwrap())
    };
    assert_eq!(revisions("ingress").await, (2, 2));
    assert_eq!(revisions("product-1").await, (2, 1));
    assert!(std::sync::Arc::ptr_eq(&product.snapshot().await, &of_product));
    assert_eq!(running.metric(r#"ripstop_control_config_reloads_total{result="good"}"#).await, 1.0);
    running.stop().await;
}

#[tokio::test]
async fn a_bad_edit_is_told_and_changes_nothing() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "ingress").await;
    let mut ingress = workload.follow("router", "ingress", Present::CurrentSvid);
    let before = ingress.snapshot().await;

    scratch.edit("traffic.yaml", "weight: 90", "weigth: 90");
    let refused = eventually("the edit is refused", async || {
        let problems = running.json("/api/v1/problems").await;
        problems["refused"].as_array().unwrap().first().cloned()
    })
    .await;
    assert!(refused["file"].as_str().unwrap().ends_with("traffic.yaml"), "{refused}");
    assert!(refused["line"].as_u64().unwrap() > 1, "{refused}");
    assert_eq!(refused["severity"], "error");
    assert!(refused["text"].as_str().unwrap().contains("did you mean `weight`?"), "{refused}");
    assert_eq!(running.metric(r#"ripstop_control_config_reloads_total{result="bad"}"#).await, 1.0);
    assert_eq!(running.metric("ripstop_control_config_revision").await, 1.0);
    // Whoever comes now gets the last good one, too.
    let mut second = workload.follow("router", "ingress", Present::CurrentSvid);
    assert_eq!(second.snapshot().await, before);

    scratch.edit("traffic.yaml", "weigth: 90", "weight: 90");
    eventually("nothing is refused", async || {
        let problems = running.json("/api/v1/problems").await;
        problems["refused"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn the_trust_domain_stays_until_the_next_start() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    scratch.edit("mesh.yaml", "trustDomain: cluster.local", "trustDomain: example.org");
    let warning = eventually("a warning", async || {
        let problems = running.json("/api/v1/problems").await;
        let warnings = problems["warnings"].as_array().unwrap();
        warnings.iter().find(|warning| warning["path"] == "spec.trustDomain").cloned()
    })
    .await;
    assert!(warning["text"].as_str().unwrap().contains("cluster.local stays"), "{warning}");
    let (_, id) = running.token("user-1").await;
    assert_eq!(id.trust_domain().as_str(), "cluster.local");
    running.stop().await;
    // The authority in the state directory is of the old one.
    let root = fs::read(scratch.state().join("trust-root.pem")).unwrap();
    let error = ripstop_control::serve::Control::bind(scratch.config()).await.unwrap_err().to_string();
    assert!(error.contains("belongs to trust domain cluster.local, not example.org"), "{error}");
    assert_eq!(fs::read(scratch.state().join("trust-root.pem")).unwrap(), root);
}
