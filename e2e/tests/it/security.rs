//! Who gets in under STRICT, and what the application learns of its caller.

use std::sync::Arc;

use ripstop_e2e::mesh::{Mesh, get};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{Present, control_client_config, mesh_client_config};
use ripstop_identity::verify::AllowedIdentities;
use ripstop_testkit::identity::TestAuthority;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What comes back for a request to the inbound port of the user service's sidecar, over TLS as configured.
async fn ask_over_tls(
    mesh: &Mesh,
    config: Arc<tokio_rustls::rustls::ClientConfig>,
) -> std::io::Result<String> {
    let stream = TcpStream::connect(mesh.at(15001)).await?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let name = "user-service".try_into().unwrap();
    let mut tls = connector.connect(name, stream).await?;
    tls.write_all(b"GET /users HTTP/1.1\r\nhost: user-service\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// An identity that trusts the mesh but has no certificate.
fn onlooker(mesh: &Mesh) -> IdentityHandle {
    let pem = std::fs::read_to_string(mesh.directory().join("state/trust-root.pem")).unwrap();
    let domain = ripstop_model::TrustDomain::new("cluster.local").unwrap();
    IdentityHandle::new(ripstop_identity::bundle::TrustBundle::from_pem(domain, &pem).unwrap())
}

#[tokio::test]
async fn strict_means_strict() {
    let mesh = Mesh::shop("strict").await;

    let mut plain = TcpStream::connect(mesh.at(15001)).await.unwrap();
    plain.write_all(b"GET /users HTTP/1.1\r\nhost: user-service\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "plain HTTP was answered: {answer:?}");

    let handle = onlooker(&mesh);
    let user = ripstop_model::SpiffeId::new("spiffe://cluster.local/ns/default/sa/user-service").unwrap();
    let nothing = control_client_config(&handle, user.clone(), Present::Nothing).unwrap();
    let refused = ask_over_tls(&mesh, nothing).await.unwrap_err();
    println!("no certificate: {refused}");

    // A certificate of another authority for the very name, presented to a server that is trusted rightly.
    let forger = TestAuthority::for_domain("forger", "cluster.local");
    let forged = onlooker(&mesh);
    forged.publish(forger.svid("gateway-service"));
    let config = mesh_client_config(&forged, AllowedIdentities::only(user), &[b"http/1.1"]).unwrap();
    let refused = ask_over_tls(&mesh, config).await.unwrap_err();
    println!("another CA: {refused}");

    let refused = mesh.metric(9902, "envoy_listener_ssl_connection_error", "").await;
    assert_eq!(refused, 3, "each refusal is counted");
    assert_eq!(mesh.get("/api/users").await.status, 200, "the gateway still gets in");
}

#[tokio::test]
async fn the_application_learns_who_calls() {
    let mesh = Mesh::shop("caller").await;
    let seen: Value = serde_json::from_str(&mesh.get("/api/whoami").await.body).unwrap();
    let header = |service: &str| {
        let headers = &seen[service]["headers"];
        headers["x-forwarded-client-cert"].as_str().unwrap_or_else(|| panic!("{seen:#}")).to_owned()
    };
    assert!(header("gateway").ends_with("URI=spiffe://cluster.local/ns/default/sa/ingress"), "{seen:#}");
    for service in ["users", "products"] {
        assert!(
            header(service).contains("URI=spiffe://cluster.local/ns/default/sa/gateway-service"),
            "{seen:#}"
        );
    }
}

#[tokio::test]
async fn permissive_lets_plaintext_in_and_disable_turns_mtls_off() {
    let mesh = Mesh::shop("modes").await;
    let files = mesh.files();
    files.edit("traffic.yaml", "mode: STRICT", "mode: PERMISSIVE");
    ripstop_testkit::wait::until("plaintext is taken", async || {
        let mut client = ripstop_testkit::client::Http1::connect(mesh.at(15001)).await.ok()?;
        (client.get("/users").await.ok()?.status == 200).then_some(())
    })
    .await;
    assert_eq!(mesh.get("/api/users").await.status, 200);

    files.edit("traffic.yaml", "mode: PERMISSIVE", "mode: DISABLE");
    ripstop_testkit::wait::until("the caller is not known any more", async || {
        let reply = get(mesh.at(10000), "/api/whoami").await;
        (reply.status == 200 && !reply.body.contains("URI=spiffe")).then_some(())
    })
    .await;
    assert_eq!(mesh.get("/api/users").await.status, 200);
}

#[tokio::test]
async fn secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mesh = Mesh::shop("secrets").await;
    let state = mesh.directory().join("state");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let mut checked = 0;
    for directory in ["ca", "tokens"] {
        for entry in std::fs::read_dir(state.join(directory)).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            if text.contains("PRIVATE KEY") || directory == "tokens" {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 2, "{checked} secrets found");
    assert_eq!(mode(&state.join("control.sock")), 0o600);
    // Whatever else is shown or written: not a piece of a key, and no token.
    let needles = secret_texts(&state);
    assert!(needles.len() > 8, "{} pieces to look for", needles.len());
    let mut shown = vec![("logs".to_owned(), all_logs(&state)), ("up".to_owned(), mesh.output())];
    for admin in [9901, 9902, 9903, 9904, 9905, 9906] {
        for page in [
            "/config_dump",
            "/certs",
            "/server_info",
            "/stats",
            "/stats/prometheus",
            "/clusters",
            "/listeners",
        ] {
            shown.push((format!("{admin}{page}"), mesh.page(admin, page).await));
        }
    }
    for page in ["status", "resources", "workloads", "problems", "certificates"] {
        shown.push((page.to_owned(), mesh.page(15014, &format!("/api/v1/{page}")).await));
    }
    shown.push(("metrics".to_owned(), mesh.page(15014, "/metrics").await));
    for (place, text) in &shown {
        assert!(!text.is_empty(), "{place} shows nothing");
        for needle in &needles {
            assert!(!text.contains(needle.as_str()), "{place} shows a secret");
        }
    }
}

/// Texts that nobody may see: pieces of the CA's keys as they are written, what every P-256 key begins with in base64 and in
/// hexadecimal, and the join tokens, whole and the secret part alone.
fn secret_texts(state: &std::path::Path) -> Vec<String> {
    let mut texts: Vec<String> =
        ["PRIVATE KEY", "MIGHAgEAMBMGByqGSM49AgEG", "308187020100301306072a8648ce3d0201"]
            .map(str::to_owned)
            .into();
    let read = |directory: &str| {
        let entries = std::fs::read_dir(state.join(directory)).unwrap().flatten();
        entries.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default()).collect::<Vec<_>>()
    };
    for text in read("ca").iter().filter(|text| text.contains("PRIVATE KEY")) {
        let body = text.split("-----").nth(2).unwrap_or_default();
        texts.extend(body.lines().filter(|line| line.len() > 16).map(str::to_owned));
    }
    for token in read("tokens") {
        let token = token.trim().to_owned();
        texts.extend(token.split_once('.').map(|(_, secret)| secret.to_owned()));
        texts.push(token);
    }
    texts
}

fn all_logs(state: &std::path::Path) -> String {
    let entries = std::fs::read_dir(state.join("logs")).unwrap().flatten();
    entries.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default()).collect()
}
