//! How an endpoint is chosen, at random.

use std::time::Duration;

use fastrand::Rng;
use ripstop_model::load_balancing::{
    ClientWeighted, ConsistentHashing, HashFunction, Labels, LbPolicy, LocalityBalancing, SlowStart,
    SubsetFallback, SubsetSelector, Subsets,
};
use ripstop_model::{LoadBalancing, Name};

use super::{duration, list, name, option, percent, positive};

pub(super) fn load_balancing(rng: &mut Rng) -> LoadBalancing {
    let policy = policy(rng);
    let by_client = matches!(policy, LbPolicy::ClientWeighted(_));
    let slow = by_client || matches!(policy, LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. });
    LoadBalancing {
        policy,
        panic_threshold: percent(rng),
        // The extension says nothing of zones and subsets.
        locality: match if by_client { rng.u8(0..2) } else { rng.u8(0..3) } {
            0 => LocalityBalancing::Weighted,
            1 => LocalityBalancing::default(),
            _ => LocalityBalancing::ZoneAware {
                enabled: percent(rng),
                min_cluster_size: rng.u64(..),
                fail_traffic_on_panic: rng.bool(),
            },
        },
        slow_start: if slow { option(rng, slow_start) } else { None },
        utilization_metrics: if by_client { list(rng, 2, name) } else { Vec::new() },
        subsets: option(rng, |rng| Box::new(subsets(rng))).filter(|_| !by_client),
    }
}

fn policy(rng: &mut Rng) -> LbPolicy {
    let hashing =
        ConsistentHashing { use_hostname: rng.bool(), balance_factor: option(rng, |rng| rng.u32(100..)) };
    match rng.u8(0..7) {
        0 => LbPolicy::RoundRobin,
        1 => LbPolicy::Random,
        2 => LbPolicy::RingHash {
            min_ring_size: rng.u32(1..=1024),
            max_ring_size: rng.u32(1024..=LbPolicy::MAX_RING_SIZE),
            function: if rng.bool() { HashFunction::Xx } else { HashFunction::Murmur2 },
            hashing,
        },
        3 => LbPolicy::Maglev { table_size: [5, 65_537, LbPolicy::MAX_TABLE_SIZE][rng.usize(0..3)], hashing },
        5 => LbPolicy::ClientWeighted(ClientWeighted {
            blackout: duration(rng),
            expiration: duration(rng),
            update_period: duration(rng).max(ClientWeighted::MIN_UPDATE_PERIOD),
            error_penalty_milli: rng.u32(0..5000),
        }),
        4 => LbPolicy::LeastResponseTime { decay: Duration::from_secs(rng.u64(1..1000)) },
        _ => LbPolicy::LeastRequest { choices: rng.u32(2..100), active_request_bias_milli: rng.u32(0..5000) },
    }
}

fn slow_start(rng: &mut Rng) -> SlowStart {
    SlowStart { window: positive(rng), aggression_milli: rng.u32(1..5000), min_weight: percent(rng) }
}

fn subsets(rng: &mut Rng) -> Subsets {
    let mut default_subset: Labels = list(rng, 2, |rng| (name(rng), name(rng))).into_iter().collect();
    default_subset.insert(name(rng), name(rng));
    let mut selectors = list(rng, 2, selector);
    selectors.push(selector(rng));
    Subsets { selectors, fallback: fallback(rng), default_subset }
}

fn selector(rng: &mut Rng) -> SubsetSelector {
    let mut keys: Vec<Name> = vec![name(rng), name(rng), name(rng)];
    keys.sort_unstable();
    keys.dedup();
    let by_keys = rng.bool() && keys.len() > 1;
    SubsetSelector {
        fallback: if by_keys { Some(SubsetFallback::Keys) } else { option(rng, fallback) },
        fallback_keys: if by_keys { keys[..1].to_vec() } else { Vec::new() },
        keys,
    }
}

fn fallback(rng: &mut Rng) -> SubsetFallback {
    [SubsetFallback::Nothing, SubsetFallback::Any, SubsetFallback::Default][rng.usize(0..3)]
}
