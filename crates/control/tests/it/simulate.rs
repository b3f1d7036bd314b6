//! What a translation means: calls pushed through the decisions that proxies take.
//!
//! A golden case may have a `calls.txt`: calls, each followed by its outcome. `UPDATE_GOLDEN=1` writes the outcomes anew. A
//! call is `PROXY ROUTES METHOD URL [header=value …]`, or `PROXY connect LISTENER [sni=NAME]`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue};
use ripstop_control::source::load;
use ripstop_control::translate::{ProxyRef, translate};
use ripstop_control::world::World;
use ripstop_model::chain_match::{FilterChainMatch, TransportProtocol};
use ripstop_model::mirror::MirrorTarget;
use ripstop_model::route::{ClusterChoice, Forward, HostRewrite, RouteAction};
use ripstop_model::{NetworkFilter, Route, Snapshot};
use ripstop_policy::filter_chain::{ChainTable, Facts};
use ripstop_policy::redirect::{Redirector, RequestUrl};
use ripstop_policy::rewrite::PathRewriter;
use ripstop_policy::route::{NoRoute, RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;

use crate::render::filter;
use crate::support::{build, lines, repository, snapshot};

/// A request of a client.
struct Call<'a> {
    method: &'a str,
    scheme: &'a str,
    authority: &'a str,
    /// With the query.
    path: &'a str,
    headers: HeaderMap,
}

impl<'a> Call<'a> {
    fn get(authority: &'a str, path: &'a str) -> Call<'a> {
        Call { method: "GET", scheme: "http", authority, path, headers: HeaderMap::new() }
    }

    fn parse(words: &[&'a str]) -> Call<'a> {
        let [method, url, headers @ ..] = words else { panic!("METHOD URL [header=value …]: {words:?}") };
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_at(rest.find('/').unwrap());
        let mut map = HeaderMap::new();
        for header in headers {
            let (name, value) = header.split_once('=').unwrap();
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Call { method, scheme, authority, path, headers: map }
    }

    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: self.method,
            scheme: self.scheme,
            ..RequestHead::get(self.authority, self.path, &self.headers)
        }
    }

    fn url(&self) -> RequestUrl<'_> {
        RequestUrl {
            scheme: self.scheme,
            forwarded_proto: self.scheme,
            authority: self.authority,
            path_and_query: self.path,
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
enum Outcome<'a> {
    NoRoute,
    Answer(u16),
    Redirect(u16, String),
    /// The path that is sent, and what the route says.
    Forward(String, &'a Route, &'a Forward),
}

fn outcome<'a>(snapshot: &'a Snapshot, config: &str, call: &Call<'_>) -> Outcome<'a> {
    let config = snapshot.routes.get(config).unwrap_or_else(|| {
        panic!("no routes {config}, only {:?}", snapshot.routes.keys().collect::<Vec<_>>())
    });
    let table = RouteTable::compile(config, &Runtime::default()).unwrap();
    let found = match table.find(&call.head()) {
        Ok(found) => found,
        Err(NoRoute::TlsRequired(_)) => return Outcome::Redirect(301, Redirector::to_https(call.url())),
        Err(_) => return Outcome::NoRoute,
    };
    let route = &config.virtual_hosts[found.virtual_host].routes[found.route];
    match &route.action {
        RouteAction::DirectResponse(answer) => Outcome::Answer(answer.status),
        RouteAction::Redirect(redirect) => {
            let redirector = Redirector::compile(redirect, &route.matches.path).unwrap();
            Outcome::Redirect(redirect.status.code(), redirector.location(call.url()))
        }
        RouteAction::Forward(forward) => {
            let rewritten = forward.rewrite.as_ref().map(|rewrite| {
                PathRewriter::compile(&route.matches.path, rewrite).unwrap().rewrite(call.path)
            });
            let path = rewritten.flatten().unwrap_or_else(|| call.path.to_owned());
            Outcome::Forward(path, route, forward)
        }
        other @ RouteAction::NonForwarding => panic!("the control plane makes no {other:?}"),
    }
}

/// Clusters with their weights.
fn shares(forward: &Forward) -> BTreeMap<String, u32> {
    match &forward.cluster {
        ClusterChoice::Single(name) => BTreeMap::from([(name.to_string(), 100)]),
        ClusterChoice::Header(_) => BTreeMap::new(),
        ClusterChoice::Weighted(split) => {
            split.shares.iter().map(|share| (share.name.to_string(), share.weight)).collect()
        }
    }
}

fn describe(outcome: &Outcome<'_>) -> String {
    let mut text = String::new();
    match outcome {
        Outcome::NoRoute => text.push_str("no route"),
        Outcome::Answer(status) => write!(text, "answer {status}").unwrap(),
        Outcome::Redirect(status, to) => write!(text, "{status} to {to}").unwrap(),
        Outcome::Forward(path, route, forward) => {
            for (name, weight) in shares(forward) {
                write!(text, "{weight} {name}, ").unwrap();
            }
            write!(text, "path {path}").unwrap();
            if let Some(HostRewrite::Literal(host)) = &forward.host_rewrite {
                write!(text, ", host {host}").unwrap();
            }
            for mirror in &forward.mirrors {
                let MirrorTarget::Cluster(name) = &mirror.target else { panic!() };
                let share =
                    mirror.share.as_ref().map_or("100%".to_owned(), |share| share.default.to_string());
                write!(text, ", copies {share} {name}").unwrap();
            }
            for said in route.filters.values() {
                write!(text, ", {}", filter(said)).unwrap();
            }
            write!(text, " ({})", route.name).unwrap();
        }
    }
    text
}

/// Which chain takes a connection, and where its bytes go.
fn connect(snapshot: &Snapshot, listener: &str, server_name: Option<&str>) -> String {
    let listener = snapshot.listeners.get(listener).unwrap_or_else(|| {
        panic!("no listener {listener}, only {:?}", snapshot.listeners.keys().collect::<Vec<_>>())
    });
    let matches: Vec<FilterChainMatch> =
        listener.filter_chains.iter().map(|chain| chain.matches.clone()).collect();
    let table = ChainTable::compile(&matches).unwrap();
    let found = table.find(&Facts {
        destination: listener.address.address.as_socket(),
        direct_source: "127.0.0.1:1".parse().ok(),
        source: "127.0.0.1:1".parse().ok(),
        server_name: server_name.unwrap_or_default(),
        transport_protocol: match server_name {
            Some(_) => TransportProtocol::Tls,
            None => TransportProtocol::Plaintext,
        },
        application_protocols: &[],
    });
    let Some(index) = found else { return "no chain".to_owned() };
    let chain = &listener.filter_chains[index];
    let tls = if chain.tls.is_some() { ", TLS ends here" } else { "" };
    let what = match &chain.filter {
        NetworkFilter::Http(manager) => {
            format!("http, routes {}", manager.routes.name().map_or("of its own", |name| &**name))
        }
        NetworkFilter::Tcp(tcp) => {
            let shares: Vec<String> =
                tcp.clusters.iter().map(|share| format!("{} {}", share.weight, share.name)).collect();
            let tunnel = tcp.tunneling.as_ref();
            let tunnel = tunnel.map_or(String::new(), |it| format!(", tunnel to {}", it.hostname.source()));
            format!("bytes to {}{tunnel}", shares.join(", "))
        }
        other => panic!("the control plane makes no {other:?}"),
    };
    format!("{what}{tls} ({})", chain.name)
}

#[test]
fn calls_of_the_golden_cases_end_as_written_down() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (mut calls, mut wrong) = (0, Vec::new());
    for case in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let file = case.join("calls.txt");
        let Ok(expected) = fs::read_to_string(&file) else { continue };
        let text = fs::read_to_string(case.join("in.yaml")).unwrap();
        let (world, _) =
            build(&text).unwrap_or_else(|p| panic!("{}: {}", case.display(), lines(&p).join("\n")));
        let mut found = String::new();
        for line in expected.lines().filter(|line| !line.starts_with("  ")) {
            writeln!(found, "{line}").unwrap();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            calls += 1;
            writeln!(found, "  {}", answer(&world, line)).unwrap();
        }
        if update {
            fs::write(&file, &found).unwrap();
        } else if found != expected {
            let differing = expected.lines().zip(found.lines()).find(|(old, new)| old != new);
            let (old, new) = differing.unwrap_or(("", ""));
            wrong.push(format!("{}:\n  expected {old}\n  found    {new}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(calls >= 100, "only {calls} calls");
}

fn answer(world: &World, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let [proxy, kind, rest @ ..] = words.as_slice() else { panic!("{line}") };
    let (namespace, name) = proxy.split_once('/').unwrap_or(("default", proxy));
    let (snapshot, _) = translate(world, &ProxyRef::new(namespace, name)).unwrap();
    match (*kind, rest) {
        ("connect", [listener]) => connect(&snapshot, listener, None),
        ("connect", [listener, sni]) => connect(&snapshot, listener, sni.strip_prefix("sni=")),
        (config, call) => describe(&outcome(&snapshot, config, &Call::parse(call))),
    }
}

fn shop() -> World {
    load(&[repository().join("examples/shop/mesh")]).unwrap().0
}

#[test]
fn requests_to_the_shop_go_where_its_documents_say() {
    let world = shop();
    let forwarded = |snapshot: &Snapshot, config: &str, authority: &str, path: &str| match outcome(
        snapshot,
        config,
        &Call::get(authority, path),
    ) {
        Outcome::Forward(path, _, forward) => Ok((path, shares(forward))),
        Outcome::Answer(status) => Err(status),
        other => panic!("{}", describe(&other)),
    };
    let gateway = snapshot(&world, "ingress");
    let at_edge = |path| forwarded(&gateway, "http.10000", "127.0.0.1:10000", path);
    let only = |name: &str| BTreeMap::from([(name.to_owned(), 100)]);
    let products = BTreeMap::from([
        ("outbound|8082|v1|product-service.default.svc.cluster.local".to_owned(), 90),
        ("outbound|8082|v2|product-service.default.svc.cluster.local".to_owned(), 10),
    ]);
    let users = only("outbound|8081||user-service.default.svc.cluster.local");
    let rest = only("outbound|8080||gateway-service.default.svc.cluster.local");
    assert_eq!(at_edge("/api/users/7"), Ok(("/users/7".to_owned(), users.clone())));
    assert_eq!(at_edge("/api/products"), Ok(("/products".to_owned(), products.clone())));
    assert_eq!(at_edge("/health"), Ok(("/health".to_owned(), rest)));

    let sidecar = snapshot(&world, "gateway-1");
    let local = |config: &str, authority| forwarded(&sidecar, config, authority, "/users");
    assert_eq!(
        local("upstream|user-service.default.svc.cluster.local|8081", "127.0.0.1:15201"),
        Ok(("/users".to_owned(), users.clone()))
    );
    for host in ["user-service", "user-service:8081", "USER-SERVICE.default"] {
        assert_eq!(local("outbound", host), Ok(("/users".to_owned(), users.clone())), "{host}");
    }
    assert_eq!(local("outbound", "product-service:8082"), Ok(("/users".to_owned(), products)));
    assert_eq!(local("outbound", "www.example.org"), Err(502));
    assert_eq!(local("outbound", "user-service:9"), Err(502));
}
