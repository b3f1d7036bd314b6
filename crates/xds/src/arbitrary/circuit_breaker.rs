//! Circuit breakers, at random.

use std::time::Duration;

use fastrand::Rng;
use ripstop_model::circuit_breaker::{BreakerScope, CircuitBreaker, Fallback, FallbackResponse, SlowCalls};

use super::{count, name, option, percent};

/// Times to the millisecond: what can be said.
fn millis(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(1..1_000_000))
}

/// A circuit breaker.
pub(super) fn circuit_breaker(rng: &mut Rng) -> CircuitBreaker {
    let open = millis(rng);
    let failures = option(rng, count);
    let slow = option(rng, |rng| SlowCalls { threshold: millis(rng), percent: percent(rng) });
    // Where nothing is said of failures or slow answers, there is a default.
    let failure_percent = match failures.is_none() && slow.is_none() {
        true => Some(percent(rng)),
        false => option(rng, percent),
    };
    CircuitBreaker {
        scope: if rng.bool() { BreakerScope::Cluster } else { BreakerScope::Endpoint },
        window: millis(rng),
        min_requests: count(rng),
        failures,
        failure_percent,
        slow,
        open,
        max_open: open + millis(rng),
        probes: count(rng),
        successes: count(rng),
        fallback: option(rng, |rng| match rng.bool() {
            true => Fallback::Cluster(name(rng)),
            false => Fallback::Response(FallbackResponse {
                status: rng.u16(200..600),
                content_type: if rng.bool() { "text/plain".into() } else { "".into() },
                body: name(rng),
            }),
        }),
    }
}
