//! Changes over the API, as operators make them: nothing that was accepted is lost, no request fails, and what is explained is
//! what happens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ripstop_e2e::binaries;
use ripstop_e2e::load::Load;
use ripstop_e2e::mesh::{Files, Mesh, get};
use ripstop_e2e::parts::{Shop, Socket};
use ripstop_testkit::client::Http1;
use ripstop_testkit::wait::until;
use serde_json::Value;
use tokio::process::Command;

/// A number that a full run sets higher.
fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The traffic of the shop without what is applied in these tests.
fn without_rules(files: &Files) {
    let text = files.read("traffic.yaml");
    let kept = text.split("\n---\n").filter(|document| {
        !document.contains("kind: VirtualService") && !document.contains("kind: DestinationRule")
    });
    let kept: Vec<&str> = kept.collect();
    assert_eq!(kept.len(), 2, "a Gateway and a PeerAuthentication");
    files.write("traffic.yaml", &kept.join("\n---\n"));
}

/// The rules for the products at the edge: these shares, in these subsets.
fn rules(shares: &[(&str, &str, u32)], timeout: &str) -> String {
    let subsets = shares
        .iter()
        .map(|(name, version, _)| format!("  - {{name: {name}, labels: {{version: {version}}}}}\n"));
    let routes = shares.iter().map(|(name, _, weight)| {
        format!("    - {{destination: {{host: product-service, subset: {name}}}, weight: {weight}}}\n")
    });
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: products}}\n\
         spec:\n  host: product-service\n  subsets:\n{}---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: products}}\n\
         spec:\n  hosts: [\"*\"]\n  gateways: [shop]\n  http:\n  - match: [{{uri: {{prefix: /api/products}}}}]\n    \
         rewrite: {{uri: /products}}\n    route:\n{}    timeout: {timeout}\n",
        subsets.collect::<String>(),
        routes.collect::<String>()
    )
}

#[tokio::test]
async fn a_killed_control_plane_loses_nothing_that_it_has_accepted() {
    let kills = number("RIPSTOP_E2E_KILLS", 12);
    let files = Files::shop("kill-store");
    without_rules(&files);
    let mut shop = Shop::new(files);
    shop.start_control().await;
    shop.start_app("product-service", 8082, "v1").await;
    shop.start_app("product-service", 8083, "v1").await;
    shop.start_proxy("sidecar", "product-1", "product-service", 9903).await;
    shop.start_proxy("sidecar", "product-2", "product-service", 9904).await;
    shop.start_proxy("router", "ingress", "ingress", 9901).await;
    let first = shop.socket.apply(&rules(&[("v1", "v1", 1)], "30s"), "first").await.unwrap();
    assert_eq!(first.status, 200, "{}", first.body);
    let gateway = std::net::SocketAddr::from(([127, 0, 0, 1], shop.files.ports[&10000]));
    until("the gateway routes", async || (get(gateway, "/api/products").await.status == 200).then_some(()))
        .await;
    let load = Load::start(gateway, "/api/products", 100);

    let mut dice = fastrand::Rng::with_seed(7);
    // What was accepted: revision to message.
    let mut accepted: BTreeMap<u64, String> = BTreeMap::new();
    let mut writes = 0u32;
    let mut cut = 0u32;
    for kill in 0..kills {
        let socket = shop.socket.clone();
        let begun = writes;
        let writer = tokio::spawn(async move { write_until_it_breaks(&socket, begun).await });
        // At any moment of a write: before, during and after the transaction.
        tokio::time::sleep(Duration::from_micros(dice.u64(200..40_000))).await;
        shop.kill_control().await;
        let (told, attempted) = writer.await.unwrap();
        cut += u32::from(attempted > begun + told.len() as u32);
        writes = attempted;
        accepted.extend(told);
        shop.start_control().await;
        let history = history(&shop.socket).await;
        for (revision, message) in &accepted {
            assert_eq!(history.get(revision), Some(message), "kill {kill}: revision {revision} is lost");
        }
        // What is in force is what the newest revision says, whether or not its author was told.
        let newest = history.last_key_value().unwrap();
        let status = shop.socket.get("/api/v1/status").await;
        assert_eq!(status["config"]["revision"].as_u64(), Some(*newest.0));
        let rule = shop.socket.get("/api/v1/resources/VirtualService/default/products").await;
        assert!(
            *newest.1 == "first"
                || rule["text"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("timeout: {}s", 30 + newest.1.parse::<u32>().unwrap())),
            "{newest:?} {rule}"
        );
    }
    let outcome = load.stop().await;
    println!(
        "{kills} kills, {} revisions accepted of {writes} writes, {cut} writes cut off, none lost; {} requests, {} failed",
        accepted.len(),
        outcome.total(),
        outcome.failed()
    );
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
    assert!(!accepted.is_empty());
}

/// Applies change after change. Gives those that were accepted, and how many were begun.
async fn write_until_it_breaks(socket: &Socket, begun: u32) -> (BTreeMap<u64, String>, u32) {
    let mut accepted = BTreeMap::new();
    let mut number = begun;
    loop {
        number += 1;
        let text = rules(&[("v1", "v1", 1)], &format!("{}s", 30 + number));
        match socket.apply(&text, &number.to_string()).await {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.body);
                accepted.insert(answer.body["revision"].as_u64().unwrap(), number.to_string());
            }
            Err(_) => return (accepted, number),
        }
    }
}

async fn history(socket: &Socket) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    let mut before = u64::MAX;
    loop {
        let page = socket.get(&format!("/api/v1/history?limit=1000&before={before}")).await;
        let revisions = page["revisions"].as_array().unwrap();
        let ours = revisions.iter().filter(|one| one["author"] == "test");
        all.extend(
            ours.map(|one| (one["revision"].as_u64().unwrap(), one["message"].as_str().unwrap().to_owned())),
        );
        match revisions.last() {
            Some(last) => before = last["revision"].as_u64().unwrap(),
            None => return all,
        }
    }
}

#[tokio::test]
async fn flips_of_routes_and_clusters_cost_no_request() {
    let (flips, rate) = (number("RIPSTOP_E2E_FLIPS", 40), number("RIPSTOP_E2E_RATE", 200));
    let files = Files::shop("flips");
    without_rules(&files);
    let mut mesh = files.up();
    mesh.ready().await;
    let socket = Socket(mesh.directory().join("state/control.sock"));
    let apply = async |text: &str| {
        let answer = socket.apply(text, "flip").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["revision"].as_u64().unwrap()
    };
    apply(&rules(&[("a", "v1", 1)], "30s")).await;
    until("products are routed", async || (mesh.get("/api/products").await.status == 200).then_some(()))
        .await;
    let load = Load::start(mesh.at(10000), "/api/products", rate);
    load.run_for(100).await;

    let mut dice = fastrand::Rng::with_seed(11);
    let mut slowest = Vec::new();
    for flip in 0..flips {
        // Clusters come and go with the routes that name them; some come back.
        let name = |part: &str| format!("s{}-{part}", flip % 7 + flip / 7 % 3);
        let (one, two) = (name("a"), name("b"));
        let timeout = format!("{}s", 20 + flip % 20);
        let shares = match dice.u32(0..4) {
            0 => vec![(one.as_str(), "v1", 1)],
            1 => vec![(one.as_str(), "v2", 1)],
            _ => vec![(one.as_str(), "v1", dice.u32(1..100)), (two.as_str(), "v2", dice.u32(1..100))],
        };
        let revision = apply(&rules(&shares, &timeout)).await;
        // Sometimes the next comes before the last has arrived.
        if dice.bool() {
            let rollout = socket.get(&format!("/api/v1/rollout/{revision}?wait_seconds=20")).await;
            assert_eq!(rollout["complete"], true, "{rollout}");
            slowest.push(rollout["slowest_ms"].as_f64().unwrap());
        }
    }
    load.run_for(100).await;
    let outcome = load.stop().await;
    slowest.sort_by(f64::total_cmp);
    println!(
        "{flips} flips under {rate} requests/s: {} requests, {} failed, {} connections closed; a flip is everywhere after {:.1} ms (median), {:.1} ms (worst)",
        outcome.total(),
        outcome.failed(),
        outcome.reconnects,
        slowest.get(slowest.len() / 2).copied().unwrap_or_default(),
        slowest.last().copied().unwrap_or_default()
    );
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
    assert_eq!(outcome.reconnects, 0, "a flip closed a connection");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_the_line_that_it_is_about() {
    let mesh = Mesh::shop("refuse").await;
    // Somebody else has the port that a gateway is to open.
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let file = mesh.directory().join("extra.yaml");
    let gateway = format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: extra}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: {port}, name: http, protocol: HTTP}}\n    \
         hosts: [\"*\"]\n"
    );
    std::fs::write(&file, gateway).unwrap();
    let begun = Instant::now();
    let (code, out, err) = ripstop(&mesh, &["apply", "-f", file.to_str().unwrap(), "--wait=20"]).await;
    println!("refused after {} ms: {err}", begun.elapsed().as_millis());
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("ingress.default refuses LDS") && err.contains(&port.to_string()), "{err}");
    assert!(err.contains("Gateway default/extra spec.servers[0]") && err.contains("extra.yaml:7"), "{err}");
    let (_, out, _) = ripstop(&mesh, &["status", "ingress"]).await;
    assert!(out.contains("refused") && out.contains("NACK") && out.contains("extra.yaml:7"), "{out}");
    assert_eq!(mesh.get("/api/products").await.status, 200, "what it had goes on");
    let (code, out, err) = ripstop(&mesh, &["rollback", "1", "--wait"]).await;
    assert!(code == 0 && out.contains("1/1 proxies"), "{out}{err}");
}

/// Runs `ripstop` against the control plane of a mesh. Gives its exit code, output and errors.
async fn ripstop(mesh: &Mesh, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binaries::path("ripstop"));
    command
        .args(args)
        .arg("--state-dir")
        .arg(mesh.directory().join("state"))
        .env("NO_COLOR", "1")
        .env("USER", "ada");
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_command_line_changes_a_mesh_and_tells_what_became_of_it() {
    let mesh = Mesh::shop("apply").await;
    let file = mesh.directory().join("users.yaml");
    let rule = |timeout: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: users}}\n\
             spec:\n  hosts: [user-service]\n  http:\n  - route: [{{destination: {{host: user-service}}}}]\n    timeout: {timeout}\n"
        )
    };
    let path = file.to_str().unwrap();
    std::fs::write(&file, rule("7s")).unwrap();
    let (code, out, _) = ripstop(&mesh, &["diff", "-f", path]).await;
    assert!(code == 0 && out.contains("+    timeout: 7s") && out.contains("only tried"), "{out}");
    let (code, out, err) = ripstop(&mesh, &["apply", "-f", path, "-m", "slow users", "--wait"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let begin = "VirtualService default/users  created\nrevision 2\n";
    let rest = out.strip_prefix(begin).unwrap_or_else(|| panic!("{out}"));
    let (of_proxies, slowest) = rest.split_once(" proxies, slowest ").unwrap_or_else(|| panic!("{out}"));
    println!("{}", rest.trim());
    // Every sidecar routes users; the gateway does so by other rules.
    assert_eq!((of_proxies, slowest.trim().ends_with(" ms")), ("5/5", true), "{out}");

    std::fs::write(&file, rule("soon").replace("hosts", "host")).unwrap();
    let (code, _, err) = ripstop(&mesh, &["apply", "-f", path]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("users.yaml:8:14")
            && err.contains("users.yaml:5:3")
            && err.contains("nothing was changed"),
        "{err}"
    );

    let (code, out, _) = ripstop(&mesh, &["status"]).await;
    assert_eq!(code, 0);
    for proxy in ["ingress.default", "user-1.default", "gateway-1.default"] {
        let line = out.lines().find(|line| line.starts_with(proxy)).unwrap_or_else(|| panic!("{out}"));
        assert!(line.contains("accepted") && line.contains("ACK"), "{line}");
    }
    let (_, out, _) = ripstop(&mesh, &["history"]).await;
    assert!(
        out.contains("ada") && out.contains("VirtualService users created") && out.contains("slow users"),
        "{out}"
    );
    let (_, out, _) = ripstop(&mesh, &["get", "vs"]).await;
    assert!(out.contains("users") && out.contains("api") && out.contains("files"), "{out}");
    let (_, out, _) = ripstop(&mesh, &["get", "vs/users", "-o", "yaml"]).await;
    assert_eq!(out, rule("7s"));
    let (_, out, _) = ripstop(&mesh, &["describe", "vs", "shop"]).await;
    assert!(out.contains("belongs to") || out.contains("Belongs to  the files"), "{out}");
    for part in ["listeners", "routes", "clusters", "endpoints"] {
        let (code, out, err) = ripstop(&mesh, &["config", "gateway-1", part]).await;
        assert!(code == 0 && out.lines().count() > 2, "{part}: {out}{err}");
    }
    let (code, _, err) = ripstop(&mesh, &["delete", "vs", "shop"]).await;
    assert!(code == 1 && err.contains("traffic.yaml:") && err.contains("change the file"), "{err}");
    let (code, out, err) = ripstop(&mesh, &["rollback", "1", "--wait"]).await;
    assert!(
        code == 0 && out.contains("VirtualService default/users  deleted") && out.contains("5/5"),
        "{out}{err}"
    );
    let (code, _, err) = ripstop(&mesh, &["get", "vs", "usrs"]).await;
    assert!(code == 1 && err.contains("error:") && err.contains("help:"), "{err}");

    // One that cannot answer is named.
    let product = mesh.pid_of("~product-1.");
    ripstop_e2e::processes::signal(product, rustix::process::Signal::STOP);
    std::fs::write(&file, rule("8s")).unwrap();
    let (code, _, err) = ripstop(&mesh, &["apply", "-f", path, "--wait=2"]).await;
    ripstop_e2e::processes::signal(product, rustix::process::Signal::CONT);
    assert!(code == 1 && err.contains("4/5") && err.contains("product-1.default (pending)"), "{err}");
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let mesh = Mesh::shop("explain").await;
    let gateway = mesh.at(10000);
    let outbound = mesh.at(15105);
    let upstream = mesh.at(15202);
    // From where, to which listener, under which host, which path.
    let requests = [
        ("ingress", gateway, gateway.to_string(), "/api/users"),
        ("ingress", gateway, gateway.to_string(), "/api/products?page=1"),
        ("ingress", gateway, "shop.example".to_owned(), "/api/products"),
        ("ingress", gateway, gateway.to_string(), "/health"),
        ("ingress", gateway, gateway.to_string(), "/nothing/here"),
        ("gateway-1", outbound, "user-service".to_owned(), "/users"),
        ("gateway-1", outbound, "user-service.default:8081".to_owned(), "/users"),
        ("gateway-1", outbound, "PRODUCT-SERVICE".to_owned(), "/products"),
        ("gateway-1", outbound, "www.example.org".to_owned(), "/"),
        ("gateway-1", outbound, "user-service:1".to_owned(), "/users"),
        ("gateway-1", upstream, upstream.to_string(), "/products"),
    ];
    let mut seen = 0;
    for (from, listener, host, path) in &requests {
        let port = listener.port().to_string();
        let url = format!("http://{host}{path}");
        let (code, out, err) =
            ripstop(&mesh, &["explain", "--from", from, "--port", &port, &url, "-o", "json"]).await;
        assert_eq!(code, 0, "{url}: {err}");
        let explained: Value = serde_json::from_str(&out).unwrap();
        for _ in 0..8 {
            happens(&mesh, *listener, host, path, &explained).await;
            seen += 1;
        }
    }
    println!("{seen} requests went where {} explanations said", requests.len());
    let (_, out, _) = ripstop(&mesh, &["explain", &format!("http://{gateway}/api/products")]).await;
    assert!(out.contains("users: the path `/api/products` does not begin with `/api/users`"), "{out}");
    assert!(
        out.contains("traffic.yaml:") && out.contains("90 % to outbound|") && out.contains("mTLS STRICT"),
        "{out}"
    );
}

/// Sends the request and compares.
async fn happens(mesh: &Mesh, listener: std::net::SocketAddr, host: &str, path: &str, explained: &Value) {
    let mut client = Http1::connect(listener).await.unwrap();
    let request = client.build(http::Method::GET, path, "");
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("host", host.parse().unwrap());
    let before = endpoints(mesh, explained).await;
    let begun = Instant::now();
    let reply = client.request(http::Request::from_parts(parts, body)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let decision = &explained["decision"];
    if let Some(answer) = decision.get("answer") {
        assert_eq!(u64::from(reply.status), answer["status"].as_u64().unwrap(), "{host}{path}: {explained}");
        return;
    }
    // The applications answer 404 to paths that they do not know; a proxy that does so says nothing of itself.
    let candidates: Vec<&Value> = decision["forward"]["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|target| target["percent"].as_f64().unwrap() > 0.0)
        .flat_map(|target| target["candidates"].as_array().unwrap())
        .collect();
    let after = endpoints(mesh, explained).await;
    let took: Vec<&String> = after
        .iter()
        .filter(|(address, count)| before.get(*address) != Some(count))
        .map(|(address, _)| address)
        .collect();
    assert_eq!(took.len(), 1, "{host}{path}: exactly one endpoint took it: {before:?} {after:?}");
    let is_candidate = candidates.iter().any(|candidate| candidate["address"] == *took[0]);
    assert!(is_candidate, "{host}{path} went to {}: {explained}", took[0]);
}

/// Requests that the proxy which decides has sent to each endpoint.
async fn endpoints(mesh: &Mesh, explained: &Value) -> BTreeMap<String, u64> {
    let admin = if explained["proxy"] == "ingress.default" { 9901 } else { 9906 };
    let page = mesh.page(admin, "/clusters").await;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for line in page.lines() {
        let parts: Vec<&str> = line.split("::").collect();
        if let [cluster, address, "rq_total", count] = parts.as_slice()
            && cluster.starts_with("outbound|")
        {
            *counts.entry((*address).to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
    }
    counts
}
