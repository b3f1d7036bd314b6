//! How much of its weight a new host has. Envoy's slow start.

use std::time::Instant;

use ripstop_model::load_balancing::SlowStart;

use crate::host::HostEntry;

/// The share of its weight that a host has at `now`, above 0 and at most 1.
pub fn share(config: &SlowStart, entry: &HostEntry, now: Instant) -> f64 {
    let age = now.saturating_duration_since(entry.host.since());
    if age >= config.window {
        return 1.0;
    }
    let part = (age.as_secs_f64() / config.window.as_secs_f64()).max(f64::MIN_POSITIVE);
    let aggression = f64::from(config.aggression_milli) / 1000.0;
    let least = f64::from(config.min_weight.as_per_million()) / 1e6;
    part.powf(1.0 / aggression).max(least).clamp(1e-6, 1.0)
}

/// Whether a host is new.
pub fn is_new(config: &SlowStart, entry: &HostEntry, now: Instant) -> bool {
    now.saturating_duration_since(entry.host.since()) < config.window
}
