//! What a large configuration takes: resident memory of 10,000 clusters and 100,000 routes.
//!
//!     cargo bench -p ripstop-proxy --bench memory
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::route::{Forward, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch};
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, Snapshot, VirtualHost};
use ripstop_proxy::generation::compile::Compiler;
use ripstop_proxy::health::failing::FailingHosts;
use ripstop_proxy::stats::registry::Registry;
use ripstop_proxy::tls::TlsContexts;
use ripstop_xds::decode::{decode_cluster, decode_route_configuration};
use ripstop_xds::encode::{encode_cluster, encode_route_configuration};

const CLUSTERS: u32 = 10_000;
const VIRTUAL_HOSTS: u32 = 10_000;
const ROUTES_OF_EACH: u32 = 10;
const WORKERS: usize = 2;

fn cluster(number: u32) -> Cluster {
    let name = format!("outbound|8080||service-{number}.shop.mesh.local");
    let endpoint = |port| Endpoint::new(Address::socket((0x0a00_0000 + number).to_be_bytes(), port));
    let endpoints = ClusterLoadAssignment::flat(name.as_str(), vec![endpoint(8080), endpoint(8081)]);
    Cluster::new(name.as_str(), Discovery::Static(endpoints))
}

fn virtual_host(number: u32) -> VirtualHost {
    let route = |route: u32| {
        let cluster = format!("outbound|8080||service-{}.shop.mesh.local", (number + route) % CLUSTERS);
        let path = PathMatch::Prefix(format!("/api/{route}/").into());
        Route {
            name: format!("route-{number}-{route}").into(),
            ..Route::new(RouteMatch::path(path), RouteAction::Forward(Box::new(Forward::to(cluster))))
        }
    };
    let domain = format!("service-{number}.shop.mesh.local");
    VirtualHost::new(format!("v{number}"), vec![domain.into()], (0..ROUTES_OF_EACH).map(route).collect())
}

/// Resident memory of this process in megabytes.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}

/// Asks another process for the bytes, so that what they are made of leaves no traces in the memory of this one.
fn from_the_wire() -> (Vec<Vec<u8>>, Vec<u8>) {
    let maker = std::process::Command::new(std::env::current_exe().unwrap()).arg(MAKE).output().unwrap();
    assert!(maker.status.success(), "{}", String::from_utf8_lossy(&maker.stderr));
    let mut messages = Vec::new();
    let mut rest = maker.stdout.as_slice();
    while let Some((length, bytes)) = rest.split_first_chunk() {
        let (message, others) = bytes.split_at(u32::from_be_bytes(*length) as usize);
        messages.push(message.to_vec());
        rest = others;
    }
    let routes = messages.pop().unwrap();
    (messages, routes)
}

/// Asks a process to write clusters and then the routes to its output, each after its length.
const MAKE: &str = "--make";

fn make() {
    let hosts = (0..VIRTUAL_HOSTS).map(virtual_host).collect();
    let routes = encode_route_configuration(&RouteConfiguration::new("r", hosts));
    let clusters = (0..CLUSTERS).map(|number| encode_cluster(&cluster(number)));
    let mut out = std::io::stdout().lock();
    for message in clusters.chain([routes]) {
        out.write_all(&u32::try_from(message.len()).unwrap().to_be_bytes()).unwrap();
        out.write_all(&message).unwrap();
    }
}

fn main() {
    if std::env::args().any(|argument| argument == MAKE) {
        return make();
    }
    let (clusters, routes) = from_the_wire();
    let wire_mb = (clusters.iter().map(Vec::len).sum::<usize>() + routes.len()) as f64 / 1_048_576.0;
    let before = resident_mb();
    let started = Instant::now();
    let mut snapshot = Snapshot::default();
    for bytes in &clusters {
        let cluster = decode_cluster(bytes).unwrap().value;
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }
    let routes = decode_route_configuration(&routes).unwrap().value;
    snapshot.routes.insert(routes.name.clone(), Arc::new(routes));
    let (decoded, decoding) = (resident_mb(), started.elapsed());
    let started = Instant::now();
    let mut compiler =
        Compiler::new(Arc::new(Registry::new(WORKERS)), TlsContexts::new(None), FailingHosts::channel().0);
    let (generation, rejected) = compiler.compile(Arc::new(snapshot));
    let (compiled, compiling) = (resident_mb(), started.elapsed());
    assert!(rejected.is_empty(), "{rejected:?}");
    assert_eq!(generation.all_clusters().count(), CLUSTERS as usize);
    println!("{CLUSTERS} clusters, {} routes: {wire_mb:.1} MB on the wire", VIRTUAL_HOSTS * ROUTES_OF_EACH);
    println!("before:                       {before:>6.1} MB resident");
    println!("decoded in {decoding:>7.1?}:          {decoded:>6.1} MB resident");
    println!("compiled in {compiling:>7.1?}:         {compiled:>6.1} MB resident");
}
