//! Random valid model values for tests: every field takes its default, its limits and values between.

mod access_log;
mod adaptive_concurrency;
mod admission_control;
mod balancing;
mod circuit_breaker;
mod cluster;
mod endpoint;
mod health_check;
mod http2;
mod http_filter;
mod http_manager;
mod listener;
mod metadata;
mod network_filter;
mod outlier;
mod route;
mod tls;
mod upgrade;
mod upstream_connection;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ripstop_model::tls::SecretRef;
use ripstop_model::{Address, ConfigFile, Name, Percent, Snapshot};

pub(crate) use self::cluster::cluster;
pub(crate) use self::endpoint::load_assignment;
pub(crate) use self::listener::listener;
pub(crate) use self::route::route_configuration;
pub(crate) use self::tls::secret;

/// A name that is nowhere empty.
pub(crate) fn name(rng: &mut Rng) -> Name {
    let length = rng.usize(1..12);
    (0..length).map(|_| rng.alphanumeric()).collect::<String>().into()
}

fn option<T>(rng: &mut Rng, value: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.bool().then(|| value(rng))
}

fn list<T>(rng: &mut Rng, most: usize, mut value: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..=most)).map(|_| value(rng)).collect()
}

/// Zero is among them.
fn duration(rng: &mut Rng) -> Duration {
    match rng.u8(0..4) {
        0 => Duration::ZERO,
        1 => Duration::new(rng.u64(0..10_000_000), rng.u32(0..1_000_000_000)),
        _ => Duration::from_millis(rng.u64(0..100_000)),
    }
}

fn positive(rng: &mut Rng) -> Duration {
    duration(rng).max(Duration::from_millis(1))
}

fn percent(rng: &mut Rng) -> Percent {
    if rng.bool() { Percent::whole(rng.u32(0..=100)) } else { Percent::per_million(rng.u32(0..=1_000_000)) }
}

fn count(rng: &mut Rng) -> NonZeroU32 {
    NonZeroU32::new(rng.u32(1..)).unwrap_or(NonZeroU32::MIN)
}

fn address(rng: &mut Rng) -> Address {
    match rng.u8(0..3) {
        0 => Address::Pipe(format!("/run/{}", name(rng)).into()),
        1 => Address::socket(rng.u128(..).to_be_bytes(), rng.u16(..)),
        _ => Address::socket(rng.u32(..).to_be_bytes(), rng.u16(..)),
    }
}

fn config_file(rng: &mut Rng) -> ConfigFile {
    ConfigFile { watched_directory: option(rng, name), ..ConfigFile::new(name(rng)) }
}

/// A snapshot of a few of each; what refers to what is left to chance.
pub(crate) fn snapshot(rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for _ in 0..4 {
        let listener = listener(rng);
        snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
        let routes = route_configuration(rng);
        snapshot.routes.insert(routes.name.clone(), Arc::new(routes));
        let cluster = cluster(rng);
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
        let endpoints = load_assignment(rng);
        snapshot.endpoints.insert(endpoints.cluster_name.clone(), Arc::new(endpoints));
        let secret = secret(rng);
        snapshot.secrets.insert(SecretRef::ads(secret.name.clone()), Arc::new(secret));
    }
    snapshot
}
