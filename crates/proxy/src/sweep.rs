//! Lets ejected endpoints return when their time is over, and looks at their rates. Runs on the control thread, for all clusters.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ripstop_model::Name;
use ripstop_policy::outlier::Ejection;
use tokio::sync::watch;

use crate::apply::Applied;

/// How finely the intervals of clusters are kept.
const TICK: Duration = Duration::from_millis(250);

/// Sweeps until nothing can be applied any more.
pub async fn sweep_for_ever(applied: watch::Receiver<Applied>) {
    let mut dice = fastrand::Rng::new();
    let mut swept: HashMap<Name, Instant> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while applied.has_changed().is_ok() {
        tick.tick().await;
        let now = Instant::now();
        let generation = applied.borrow().generation.clone();
        swept.retain(|name, _| generation.snapshot.clusters.contains_key(name));
        for cluster in generation.all_clusters() {
            let Some(detector) = &cluster.lasting.outlier else { continue };
            let last = swept.entry(cluster.name().clone()).or_insert(now);
            if now.duration_since(*last) < detector.config().interval {
                continue;
            }
            *last = now;
            let sweep = detector.sweep(&cluster.hosts, now, &mut dice);
            for back in sweep.returned {
                tracing::info!(cluster = %cluster.name(), host = %back.host.address(), "endpoint returns");
            }
            for ejection in sweep.ejected {
                log_ejection(cluster.name(), &ejection);
            }
        }
    }
}

/// Tells that an endpoint was put aside, why and for how long.
pub fn log_ejection(cluster: &Name, ejection: &Ejection) {
    tracing::warn!(
        cluster = %cluster,
        host = %ejection.host.address(),
        reason = ejection.reason.as_str(),
        for_ms = ejection.duration.as_millis(),
        times = ejection.times,
        "endpoint ejected"
    );
}
