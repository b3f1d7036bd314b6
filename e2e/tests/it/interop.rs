//! One table of requests through a gateway and two sidecars that follow `ripstop control`: real Envoys and Ripstop's own
//! proxy, each on the bootstrap file of docs/interop.md, in both dialects of ADS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ripstop_e2e::control::Control;
use ripstop_e2e::foreign::{Proxy, Software};
use ripstop_e2e::{mesh, ports};
use ripstop_testkit::client::{Http1, Reply};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::process::Child;

use crate::interop_page;

/// What an application has been asked.
#[derive(Default)]
struct App {
    flaky: AtomicU32,
    /// Copies that version 2 was sent.
    copied: AtomicU32,
}

/// An application of a version: `/flaky` fails twice and then answers, `/slow` takes two seconds.
fn app(version: &'static str, state: &Arc<App>) -> Upstream {
    let state = Arc::clone(state);
    Upstream::start(move |request| {
        let state = Arc::clone(&state);
        async move {
            let path = request.uri().path().to_owned();
            if path == "/flaky" && state.flaky.fetch_add(1, Ordering::SeqCst) < 2 {
                return Ok(text(503, "not yet"));
            }
            if path == "/slow" {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            if path == "/copied" && version == "v2" {
                state.copied.fetch_add(1, Ordering::SeqCst);
            }
            let caller = request.headers().get("x-forwarded-client-cert");
            let caller = caller.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let mut answer = text(200, format!("{version} {path}"));
            answer.headers_mut().insert("x-caller", caller.parse().unwrap());
            answer.headers_mut().insert("x-version", version.parse().unwrap());
            Ok(answer)
        }
    })
}

/// Ports and applications of one mesh.
struct Table {
    control: Control,
    _proxies: Vec<Proxy>,
    _agents: Vec<Child>,
    proxies: Vec<(&'static str, SocketAddr)>,
    gateway: SocketAddr,
    state: Arc<App>,
    _apps: [Upstream; 2],
    documents: String,
    mtls: bool,
}

/// The bootstrap file of the page for a workload, with the secrets of its agent where there is one.
fn bootstrap(workload: &str, control: &Control, admin: u16, delta: bool, agent: Option<&Path>) -> String {
    let dialect = if delta { "DELTA_GRPC" } else { "GRPC" };
    let file = if agent.is_some() { "envoy-mtls-bootstrap" } else { "envoy-bootstrap" };
    let socket = agent.map_or(String::new(), |socket| socket.display().to_string());
    interop_page::block(file)
        .replace("id: user-1", &format!("id: {workload}"))
        .replace("api_type: DELTA_GRPC", &format!("api_type: {dialect}"))
        .replace("port_value: 15012", &format!("port_value: {}", control.xds.port()))
        .replace("port_value: 9902", &format!("port_value: {admin}"))
        .replace("/run/user-1.sock", &socket)
}

fn documents(apps: &[Upstream; 2], gateway: u16, ports: &[u16; 7]) -> String {
    let [side1, side2, out1, out2, admin0, admin1, admin2] = ports;
    let template = include_str!("interop.yaml");
    let values = [
        ("GATEWAY", gateway),
        ("APP1", apps[0].address.port()),
        ("APP2", apps[1].address.port()),
        ("SIDE1", *side1),
        ("SIDE2", *side2),
        ("OUT1", *out1),
        ("OUT2", *out2),
        ("ADMIN0", *admin0),
        ("ADMIN1", *admin1),
        ("ADMIN2", *admin2),
    ];
    values.iter().fold(template.to_owned(), |text, (name, port)| text.replace(name, &port.to_string()))
}

impl Table {
    async fn start(name: &str, software: Software, delta: bool, mtls: bool) -> Table {
        let state = Arc::new(App::default());
        let apps = [app("v1", &state), app("v2", &state)];
        let gateway = ports::free();
        let free: [u16; 7] = std::array::from_fn(|_| ports::free());
        let mut documents = documents(&apps, gateway, &free);
        if mtls {
            documents = documents.replace("mode: DISABLE", "mode: STRICT");
        }
        let control = Control::start(name, &documents).await;
        let mut proxies = Vec::new();
        let (mut running, mut agents) = (Vec::new(), Vec::new());
        let accounts = [("edge", "edge", free[4]), ("web-1", "web", free[5]), ("web-2", "web", free[6])];
        for (workload, account, admin) in accounts {
            let mut socket = None;
            if mtls {
                let path = control.directory().join(format!("{workload}.sock"));
                agents.push(control.agent(workload, account, &path).await);
                socket = Some(path);
            }
            let bootstrap = bootstrap(workload, &control, admin, delta, socket.as_deref());
            let file = control.directory().join(format!("{workload}.yaml"));
            let admin = SocketAddr::from(([127, 0, 0, 1], admin));
            running.push(Proxy::start(software, file, &bootstrap, admin));
            proxies.push((workload, admin));
        }
        let gateway = SocketAddr::from(([127, 0, 0, 1], gateway));
        let _proxies = running;
        let (_agents, _apps) = (agents, apps);
        let table = Table { control, _proxies, _agents, proxies, gateway, state, _apps, documents, mtls };
        table.ready().await;
        table
    }

    async fn ready(&self) {
        until("a request reaches both versions", async || {
            let mut seen = BTreeMap::new();
            for _ in 0..10 {
                let mut client = Http1::connect(self.gateway).await.ok()?;
                let reply = client.get("/split").await.ok().filter(|reply| reply.status == 200)?;
                *seen.entry(reply.body).or_insert(0) += 1;
            }
            (seen.len() == 2).then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str) -> Reply {
        mesh::get(self.gateway, path).await
    }

    /// Requests of which each says what is expected.
    async fn check(&self) {
        assert_eq!(self.get("/rewritten/a?b=c").await.body, "v1 /plain/a");
        assert_eq!(self.get("/rewritten/a").await.headers["x-version"], "v1");

        let mut client = Http1::connect(self.gateway).await.unwrap();
        let mut request = client.build(http::Method::GET, "/plain", "");
        request.headers_mut().insert("x-want", "v2".parse().unwrap());
        assert_eq!(client.request(request).await.unwrap().headers["x-version"], "v2", "by header");

        let mut v2 = 0;
        for _ in 0..400 {
            let reply = client.get("/split").await.unwrap();
            v2 += u32::from(reply.headers["x-version"] == "v2");
        }
        assert!((40..=120).contains(&v2), "{v2} of 400 with weight 20");

        assert_eq!(self.get("/slow").await.status, 504, "a timeout of 300 ms");
        assert_eq!(self.get("/flaky").await.status, 200, "after two retries");
        assert_eq!(self.state.flaky.load(Ordering::SeqCst), 3);
        assert_eq!(self.get("/nothing").await.status, 404, "no route");

        for _ in 0..3 {
            assert_eq!(self.get("/copied").await.headers["x-version"], "v1", "whatever the copy says");
        }
        until("every copy has come", async || (self.state.copied.load(Ordering::SeqCst) == 3).then_some(()))
            .await;
        self.check_faults(&mut client).await;
        self.check_pages(&mut client).await;
        let asked = client.get("/rewritten/who").await.unwrap();
        let caller = asked.headers["x-caller"].to_str().unwrap();
        let identity = "URI=spiffe://cluster.local/ns/default/sa/edge";
        assert_eq!(caller.contains(identity), self.mtls, "what the sidecar knows of the gateway: {caller}");
    }

    /// What goes wrong on purpose.
    async fn check_faults(&self, client: &mut Http1) {
        let begun = Instant::now();
        assert_eq!(client.get("/late").await.unwrap().body, "v1 /late");
        // 400 ms, by Envoy's clock, which is read once for each turn of its loop.
        assert!(begun.elapsed() >= Duration::from_millis(390), "it waits: {:?}", begun.elapsed());
        let broken = client.get("/broken").await.unwrap();
        assert_eq!((broken.status, broken.body.as_str()), (418, "fault filter abort"));
    }

    /// What pages of other origins are told.
    async fn check_pages(&self, client: &mut Http1) {
        let mut ask = client.build(http::Method::OPTIONS, "/page", "");
        ask.headers_mut().insert("origin", "https://shop.example".parse().unwrap());
        ask.headers_mut().insert("access-control-request-method", "PUT".parse().unwrap());
        let told = client.request(ask).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (200, ""));
        assert_eq!(told.headers["access-control-allow-methods"], "GET,PUT");
        assert_eq!(told.headers["access-control-max-age"], "60");
        let mut get = client.build(http::Method::GET, "/page", "");
        get.headers_mut().insert("origin", "https://shop.example".parse().unwrap());
        let page = client.request(get).await.unwrap();
        assert_eq!(page.headers["access-control-allow-origin"], "https://shop.example");
        let stranger = client.get("/page").await.unwrap();
        assert!(!stranger.headers.contains_key("access-control-allow-origin"));
    }

    /// Nothing that was sent was refused, and everything was taken.
    async fn check_accepted(&self) {
        let status = self.control.page("/api/v1/status").await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let proxies = status["proxies"].as_array().unwrap();
        assert_eq!(proxies.len(), self.proxies.len(), "{status:#}");
        for proxy in proxies {
            assert_eq!(proxy["synced"], true, "{proxy:#}");
            for (kind, of_type) in proxy["streams"][0]["types"].as_object().unwrap() {
                assert_eq!(of_type["nacks"], 0, "{kind}: {proxy:#}");
            }
        }
    }

    /// A weight changes, the control plane goes and comes back, and changes again.
    async fn check_changes(&mut self) {
        let shares = |v1: u32| {
            let from = "weight: 80}\n    - {destination: {host: web, subset: v2}, weight: 20}";
            assert!(self.documents.contains(from));
            let to = format!(
                "weight: {v1}}}\n    - {{destination: {{host: web, subset: v2}}, weight: {}}}",
                100 - v1
            );
            self.documents.replace(from, &to)
        };
        let (all_v2, all_v1) = (shares(0), shares(100));
        self.control.write(&all_v2);
        self.until_only("v2").await;
        self.control.kill().await;
        for _ in 0..50 {
            assert_eq!(self.get("/split").await.headers["x-version"], "v2", "without a control plane");
        }
        self.control.write(&all_v1);
        self.control.run().await;
        self.until_only("v1").await;
    }

    async fn until_only(&self, version: &str) {
        until(&format!("everything goes to {version}"), async || {
            for _ in 0..20 {
                let reply = self.get("/split").await;
                assert_eq!(reply.status, 200, "a change costs no request");
                if reply.headers["x-version"] != version {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }
}

async fn run(name: &str, software: Software, delta: bool, mtls: bool) {
    let mut table = Table::start(name, software, delta, mtls).await;
    table.check().await;
    table.check_accepted().await;
    table.check_changes().await;
}

#[tokio::test]
async fn envoy_by_delta() {
    run("envoy-delta", Software::Envoy, true, false).await;
}

#[tokio::test]
async fn envoy_by_state_of_the_world() {
    run("envoy-sotw", Software::Envoy, false, false).await;
}

#[tokio::test]
async fn ripstop_by_delta() {
    run("ripstop-delta", Software::Ripstop, true, false).await;
}

#[tokio::test]
async fn ripstop_by_state_of_the_world() {
    run("ripstop-sotw", Software::Ripstop, false, false).await;
}

#[tokio::test]
async fn envoy_by_delta_with_mutual_tls() {
    run("envoy-delta-mtls", Software::Envoy, true, true).await;
}

#[tokio::test]
async fn envoy_by_state_of_the_world_with_mutual_tls() {
    run("envoy-sotw-mtls", Software::Envoy, false, true).await;
}

#[tokio::test]
async fn ripstop_by_delta_with_mutual_tls() {
    run("ripstop-delta-mtls", Software::Ripstop, true, true).await;
}

#[tokio::test]
async fn ripstop_by_state_of_the_world_with_mutual_tls() {
    run("ripstop-sotw-mtls", Software::Ripstop, false, true).await;
}
