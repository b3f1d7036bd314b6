//! Keeps asking: which endpoint is due, what its answer changes, and who has to know.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::health_check::HealthCheck;
use ripstop_model::{Address, Name};
use ripstop_policy::health::flags::HealthFlag;
use ripstop_policy::health::plan::Plan;
use ripstop_policy::health::{FailureKind, HealthEvent, Probed, Session, Transition, Verdict, interval};
use ripstop_policy::host::{Host, HostEntry};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::ask::{Asked, ask};
use super::cluster::ClusterHealth;
use super::connection::Kept;
use super::event_log;
use super::failing::Failing;
use crate::generation::Generation;
use crate::generation::cluster::ActiveCluster;
use crate::stats::health::HealthStats;

/// Checks under way at once; further ones wait.
pub const MAX_UNDER_WAY: usize = 1024;

/// Connections that stay open from one check to the next, over all endpoints.
pub const MAX_KEPT: usize = 1024;

/// When a check is tried again that we had no means for.
const RETRY: Duration = Duration::from_secs(1);

/// What the checker tells others.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Some cluster has become warm.
    pub warm: Arc<Notify>,
    /// An endpoint that was taken out is well no more: its cluster is to be compiled again.
    pub left: Arc<Notify>,
}

/// An endpoint of a cluster.
type Key = (Name, Address);

/// Checks the endpoints of the latest generation until there is none to come. `failing` tells of endpoints that fail by their
/// own account.
pub async fn check_for_ever(
    mut generations: watch::Receiver<Arc<Generation>>,
    mut failing: mpsc::Receiver<Failing>,
    news: News,
) {
    let mut checker = Checker::new(news);
    loop {
        checker.ask();
        let due = checker.wake();
        tokio::select! {
            changed = generations.changed() => {
                if changed.is_err() {
                    return;
                }
                let generation = generations.borrow_and_update().clone();
                checker.follow(&generation, Instant::now());
            }
            Some(Ok(answer)) = checker.under_way.join_next() => checker.take(answer, Instant::now()),
            Some((cluster, host)) = failing.recv() => checker.failed_by_own_account(&cluster, &host),
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
        }
    }
}

struct Checker {
    clusters: HashMap<Name, Checked>,
    plan: Plan<Key>,
    under_way: JoinSet<Answer>,
    kept: usize,
    dice: fastrand::Rng,
    news: News,
}

/// A cluster that is checked.
struct Checked {
    active: Arc<ActiveCluster>,
    health: Arc<ClusterHealth>,
    hosts: HashMap<Address, HostCheck>,
    /// The endpoints that it waits for before it is warm.
    unasked: HashSet<Address>,
}

/// An endpoint that is checked.
struct HostCheck {
    entry: Arc<HostEntry>,
    session: Session,
    kept: Option<Kept>,
}

/// How a check ended, and of whom.
struct Answer {
    key: Key,
    host: Arc<Host>,
    asked: Asked,
}

impl Checked {
    fn check(&self) -> Option<&HealthCheck> {
        self.active.config.health.check.as_deref()
    }
}

impl Checker {
    fn new(news: News) -> Checker {
        Checker {
            clusters: HashMap::new(),
            plan: Plan::default(),
            under_way: JoinSet::new(),
            kept: 0,
            dice: fastrand::Rng::new(),
            news,
        }
    }

    /// Goes on with the endpoints of a generation. What did not change is not touched.
    fn follow(&mut self, generation: &Generation, now: Instant) {
        let wanted: HashMap<&Name, &Arc<ActiveCluster>> = generation
            .all_clusters()
            .filter(|cluster| cluster.lasting.health.is_some())
            .map(|cluster| (cluster.name(), cluster))
            .collect();
        let gone: Vec<Name> =
            self.clusters.keys().filter(|name| !wanted.contains_key(name)).cloned().collect();
        for name in gone {
            if let Some(checked) = self.clusters.remove(&name) {
                checked.hosts.into_iter().for_each(|(address, host)| {
                    self.let_go(&name, &address, &host, &checked.health);
                });
            }
        }
        for (name, active) in wanted {
            let same = self.clusters.get(name).is_some_and(|known| Arc::ptr_eq(&known.active, active));
            if !same {
                self.follow_cluster(name, active, now);
            }
        }
    }

    fn follow_cluster(&mut self, name: &Name, active: &Arc<ActiveCluster>, now: Instant) {
        let (Some(health), Some(check)) = (&active.lasting.health, &active.config.health.check) else {
            return;
        };
        let mut before = self.clusters.remove(name);
        let same_check = before.as_ref().is_some_and(|before| before.check() == Some(&**check));
        let mut checked = Checked {
            active: active.clone(),
            health: health.clone(),
            hosts: HashMap::with_capacity(active.hosts.len()),
            unasked: HashSet::new(),
        };
        let mut new = Vec::new();
        for entry in active.hosts.entries().iter().filter(|entry| !entry.endpoint.is_unchecked()) {
            let address = entry.host.address().clone();
            let known = before.as_mut().and_then(|before| before.hosts.remove(&address));
            let host = match known {
                Some(known) if same_check && Arc::ptr_eq(&known.entry.host, &entry.host) => {
                    HostCheck { entry: entry.clone(), ..known }
                }
                known => {
                    if let Some(known) = known {
                        self.let_go(name, &address, &known, health);
                    }
                    new.push((name.clone(), address.clone()));
                    count_host(health.stats(), entry, true);
                    HostCheck { entry: entry.clone(), session: Session::default(), kept: None }
                }
            };
            if !health.is_warm() && !host.session.is_checked() {
                checked.unasked.insert(address.clone());
            }
            checked.hosts.insert(address, host);
        }
        if let Some(before) = before {
            for (address, host) in before.hosts {
                self.let_go(name, &address, &host, health);
            }
        }
        self.plan.first(new.into_iter(), &check.intervals, now, &mut self.dice);
        if checked.unasked.is_empty() && !health.is_warm() {
            health.set_warm();
            self.news.warm.notify_one();
        }
        self.clusters.insert(name.clone(), checked);
    }

    fn let_go(&mut self, name: &Name, address: &Address, host: &HostCheck, health: &ClusterHealth) {
        self.plan.forget(&(name.clone(), address.clone()));
        self.kept -= usize::from(host.kept.is_some());
        count_host(health.stats(), &host.entry, false);
    }

    /// Begins the checks that are due.
    fn ask(&mut self) {
        let room = MAX_UNDER_WAY.saturating_sub(self.under_way.len());
        for key in self.plan.due(Instant::now(), room) {
            let Some(checked) = self.clusters.get_mut(&key.0) else { continue };
            let Some(host) = checked.hosts.get_mut(&key.1) else { continue };
            checked.health.stats().attempt.inc();
            let kept = host.kept.take();
            self.kept -= usize::from(kept.is_some());
            let (active, entry) = (checked.active.clone(), host.entry.clone());
            self.under_way.spawn(async move {
                let host = entry.host.clone();
                Answer { key, host, asked: ask(active, entry, kept).await }
            });
        }
    }

    /// When there is something to do without anybody saying so.
    fn wake(&mut self) -> Option<Instant> {
        self.plan.next_due().filter(|_| self.under_way.len() < MAX_UNDER_WAY)
    }

    fn take(&mut self, answer: Answer, now: Instant) {
        let Answer { key, host: asked_host, asked } = answer;
        let Some(checked) = self.clusters.get_mut(&key.0) else { return };
        let Some(host) = checked.hosts.get_mut(&key.1) else { return };
        // Another endpoint has come to the address since.
        if !Arc::ptr_eq(&host.entry.host, &asked_host) {
            return;
        }
        let active = checked.active.clone();
        let Some(check) = &active.config.health.check else { return };
        if self.kept < MAX_KEPT && host.kept.is_none() {
            host.kept = asked.kept;
            self.kept += usize::from(host.kept.is_some());
        }
        let due = match asked.probed {
            Some(probed) => {
                if asked.excluded {
                    host.entry.host.health.set(HealthFlag::ExcludedViaImmediateHcFail, true);
                }
                if asked.verified {
                    checked.health.stats().verify_cluster.inc();
                }
                let stats = &active.lasting.stats;
                let had_traffic = stats.iter().any(|worker| worker.cx_total.get() > 0);
                let verdict = conclude(checked, &key.1, probed, asked.status, &self.news);
                now + verdict.map_or(RETRY, |verdict| {
                    interval::after(&verdict, &check.intervals, had_traffic, &mut self.dice)
                })
            }
            None => {
                tracing::warn!(cluster = %key.0, host = %key.1, "no socket left for a health check, trying again");
                now + RETRY
            }
        };
        if checked.unasked.remove(&key.1) && checked.unasked.is_empty() {
            checked.health.set_warm();
            self.news.warm.notify_one();
        }
        self.plan.at(key, due);
    }

    /// The checks go on as they were planned.
    fn failed_by_own_account(&mut self, cluster: &Name, failing: &Arc<Host>) {
        let Some(checked) = self.clusters.get_mut(cluster) else { return };
        let address = failing.address();
        if checked.hosts.get(address).is_some_and(|host| Arc::ptr_eq(&host.entry.host, failing)) {
            let failed = Probed::Failure { kind: FailureKind::Passive, retriable: false };
            conclude(checked, address, failed, 0, &self.news);
        }
    }
}

/// Draws the conclusions from what was found of an endpoint: flags, counters, log.
fn conclude(
    checked: &mut Checked,
    address: &Address,
    probed: Probed,
    status: u16,
    news: &News,
) -> Option<Verdict> {
    let (active, health) = (checked.active.clone(), &checked.health);
    let check = active.config.health.check.as_deref()?;
    let host = checked.hosts.get_mut(address)?;
    let entry = &host.entry;
    let verdict = host.session.record(probed, &entry.host.health, check);
    let stats = health.stats();
    match probed {
        Probed::Success { .. } => stats.success.inc(),
        Probed::Failure { kind, .. } => {
            stats.failure.inc();
            if kind.is_network() {
                stats.network_failure.inc();
            } else if kind == FailureKind::Passive {
                stats.passive_failure.inc();
            }
        }
    }
    for event in &verdict.events {
        match event {
            HealthEvent::AddHealthy { .. } => stats.healthy.inc(),
            HealthEvent::EjectUnhealthy(_) => stats.healthy.dec(),
            HealthEvent::Degraded => stats.degraded.inc(),
            HealthEvent::NoLongerDegraded => stats.degraded.dec(),
            HealthEvent::Success | HealthEvent::Failure { .. } => {}
        }
    }
    if verdict.success
        && !entry.host.health.has(HealthFlag::FailedActiveHc)
        && let Some(detector) = &active.lasting.outlier
        && detector.forgive(&entry.host, &active.hosts).is_some()
    {
        tracing::info!(cluster = %active.name(), host = %address, "endpoint answers checks well and returns");
    }
    if verdict.transition == Transition::Changed {
        active.hosts.health_changed();
        tell(active.name(), entry, &verdict);
        if entry.leaving && entry.host.health.has(HealthFlag::FailedActiveHc) {
            news.left.notify_one();
        }
    }
    if let Some(compiled) = &active.check {
        event_log::write(active.name(), check, compiled, entry, &verdict.events, status);
    }
    Some(verdict)
}

fn tell(cluster: &Name, entry: &HostEntry, verdict: &Verdict) {
    for event in &verdict.events {
        let host = entry.host.address();
        match event {
            HealthEvent::AddHealthy { .. } => tracing::info!(%cluster, %host, "endpoint is healthy"),
            HealthEvent::EjectUnhealthy(kind) => {
                tracing::warn!(%cluster, %host, why = kind.as_str(), "endpoint is unhealthy");
            }
            HealthEvent::Degraded => tracing::info!(%cluster, %host, "endpoint is degraded"),
            HealthEvent::NoLongerDegraded => tracing::info!(%cluster, %host, "endpoint is degraded no more"),
            HealthEvent::Success | HealthEvent::Failure { .. } => {}
        }
    }
}

/// Counts an endpoint among the healthy and degraded ones, or takes it from them.
fn count_host(stats: &HealthStats, entry: &HostEntry, add: bool) {
    let flags = &entry.host.health;
    let gauges = [
        (!flags.has(HealthFlag::FailedActiveHc), &stats.healthy),
        (flags.has(HealthFlag::DegradedActiveHc), &stats.degraded),
    ];
    for (_, gauge) in gauges.into_iter().filter(|(counts, _)| *counts) {
        if add {
            gauge.inc();
        } else {
            gauge.dec();
        }
    }
}
