//! A large configuration from a control plane: how long until it serves, what it takes, and what a change costs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::Snapshot;

use super::requests::on_load;
use crate::control_plane::{ControlPlane, assignment, cluster_name, snapshot};
use crate::load::http1::Http1;
use crate::load::open;
use crate::load::session::{Session, request};
use crate::peers::Peer;
use crate::process::Process;
use crate::report::{Metric, Row};
use crate::site::{Shape, Site, domain};
use crate::{Context, Outcome, ports};

/// Clusters, and endpoints of each.
const CLUSTERS: u16 = 10_000;
const ENDPOINTS: u8 = 10;
/// The one that is changed: it has endpoints where nobody listens, first.
const CHANGED: u16 = 5_000;
/// Longest wait for a configuration.
const LIMIT: Duration = Duration::from_secs(120);
/// Requests a second while all endpoints change, for how long, and after what time they do.
const PER_SECOND: u32 = 1000;
const SCHEDULE: Duration = Duration::from_secs(5);
const CHANGE_AFTER: Duration = Duration::from_secs(1);

/// A proxy with its control plane.
struct Loaded {
    process: Process,
    control: ControlPlane,
    snapshot: Snapshot,
    port: u16,
    first_load: Duration,
}

/// Measures all peers that a control plane can configure.
pub fn measure(context: &Context) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let able = |peer: &&Peer| peer.can(&Shape::Mesh { control: 0 }) && **peer != Peer::Direct;
    for peer in context.peers.iter().filter(able) {
        let mut row = Row::new("i: 10,000 clusters, 100,000 endpoints over ADS", *peer);
        let resident = |loaded: &Loaded| -> Outcome<f64> { Ok(loaded.process.memory()?.resident as f64) };
        let none = resident(&load(context, *peer, 1, 1)?)?;
        let few = resident(&load(context, *peer, CLUSTERS, 1)?)?;
        let mut loaded = load(context, *peer, CLUSTERS, ENDPOINTS)?;
        let all = resident(&loaded)?;
        row.set(Metric::FirstLoadS, loaded.first_load.as_secs_f64());
        row.set(Metric::CpuSToLoad, loaded.process.cpu_seconds()?);
        row.set(Metric::LoadMegabytes, all / 1e6);
        let endpoint = (all - few) / (f64::from(CLUSTERS) * f64::from(ENDPOINTS - 1));
        row.set(Metric::BytesPerEndpoint, endpoint);
        row.set(Metric::BytesPerCluster, (few - none) / f64::from(CLUSTERS) - endpoint);
        row.set(Metric::DeltaMs, change_one(context, &mut loaded)?.as_secs_f64() * 1e3);
        row.set(Metric::StallMs, change_all(context, &mut loaded)?);
        rows.push(row);
    }
    Ok(rows)
}

fn load(context: &Context, peer: Peer, clusters: u16, endpoints: u8) -> Outcome<Loaded> {
    let port = context.upstream.http1;
    let mut snapshot = snapshot(clusters, endpoints, port);
    if clusters > CHANGED {
        let nobody = Arc::new(assignment(CHANGED, endpoints, ports::free()?));
        snapshot.endpoints.insert(nobody.cluster_name.clone(), nobody);
    }
    let control = ControlPlane::start(&context.processors, &snapshot)?;
    let (shape, tls) = (Shape::Mesh { control: control.port }, context.tls.clone());
    let site = Site { port: ports::free()?, upstream: port, shape, tls };
    let process = peer.spawn(context, &site)?;
    until_served(site.port, clusters - 1)?;
    let first_load = control.connected().ok_or("it never connected")?.elapsed();
    // What decoding needed for a while is given back, or not.
    std::thread::sleep(Duration::from_secs(2));
    Ok(Loaded { process, control, snapshot, port: site.port, first_load })
}

/// Waits until a cluster answers.
fn until_served(port: u16, cluster: u16) -> Outcome<()> {
    let begun = Instant::now();
    let answers = || on_load(async { session(port, cluster).await?.ask().await });
    while let Err(error) = answers() {
        if begun.elapsed() > LIMIT {
            return Err(format!("{} is not served: {error}", cluster_name(cluster)).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

async fn session(port: u16, cluster: u16) -> Outcome<Session> {
    let header = format!("x-cluster: {}\r\n", cluster_name(cluster));
    let request = request(&domain(1), "/small", &header);
    let http1 = Http1::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), vec![request]);
    Ok(Session::Http1(Box::new(http1.await?)))
}

/// From the moment at which a cluster gets an endpoint that listens until it answers.
fn change_one(context: &Context, loaded: &mut Loaded) -> Outcome<Duration> {
    let right = Arc::new(assignment(CHANGED, ENDPOINTS, context.upstream.http1));
    loaded.snapshot.endpoints.insert(right.cluster_name.clone(), right);
    loaded.control.push(&loaded.snapshot);
    let begun = Instant::now();
    until_served(loaded.port, CHANGED)?;
    Ok(begun.elapsed())
}

/// The longest that a request by schedule takes while every cluster loses an endpoint, in milliseconds.
fn change_all(context: &Context, loaded: &mut Loaded) -> Outcome<f64> {
    let next = snapshot(CLUSTERS, ENDPOINTS - 1, context.upstream.http1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(CHANGE_AFTER);
            loaded.control.push(&next);
        });
        let times = on_load(async {
            let mut sessions = Vec::new();
            for _ in 0..8 {
                sessions.push(session(loaded.port, 0).await?);
            }
            open::drive(sessions, PER_SECOND, SCHEDULE).await
        })?;
        Ok(times.max() as f64 / 1e6)
    })
}
