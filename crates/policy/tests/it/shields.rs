//! An hour before what protects upstreams from load: admission control, load shedding and the budget of hedging, under a
//! virtual clock with seeded dice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use ripstop_model::Percent;
use ripstop_model::admission_control::AdmissionControl;
use ripstop_model::cluster::CircuitLimits;
use ripstop_model::load_shedding::LoadShedding;
use ripstop_model::route::{RetryOn, RetryPolicy};
use ripstop_model::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};
use ripstop_policy::admission::AdmissionController;
use ripstop_policy::limits::{ClusterLimits, Permit};
use ripstop_policy::retry::rules::RetryRules;
use ripstop_policy::retry::{RequestFacts, RetryDecision, RetryState};
use ripstop_policy::runtime::Runtime;
use ripstop_policy::shedding::Shedder;

#[test]
fn admission_control_spares_a_broken_upstream_and_forgets_soon() {
    const PER_SECOND: u64 = 100;
    let percent = |percent| RuntimePercent { key: "".into(), default: Percent::whole(percent) };
    let config = AdmissionControl {
        enabled: RuntimeFeature { key: "".into(), default: true },
        http_success: Vec::new(),
        grpc_success: Vec::new(),
        window: AdmissionControl::DEFAULT_WINDOW,
        aggression_milli: 1000,
        success_threshold: percent(AdmissionControl::DEFAULT_SUCCESS_PERCENT),
        rps_threshold: RuntimeUint { key: "".into(), default: 0 },
        max_rejection: percent(AdmissionControl::DEFAULT_MAX_REJECTION_PERCENT),
    };
    let start = Instant::now();
    let controller = AdmissionController::new(config, &Runtime::default(), start);
    let mut rng = fastrand::Rng::with_seed(6);
    // By quarter of an hour: the second is an outage, in the others one request of fifty fails.
    let mut refused = [0_u64; 4];
    let mut last_refused = 0;
    for tick in 0..3600 * PER_SECOND {
        let elapsed = Duration::from_micros(tick * 1_000_000 / PER_SECOND);
        let (now, second) = (start + elapsed, elapsed.as_secs());
        let quarter = usize::try_from(second / 900).unwrap_or(3);
        if !controller.admits(now, &mut rng) {
            refused[quarter] += 1;
            last_refused = second;
            continue;
        }
        let failed = quarter == 1 || rng.u8(0..50) == 0;
        controller.record(if failed { 503 } else { 200 }, None, now);
    }
    let whole = 900 * PER_SECOND;
    println!(
        "admission control, refused of {whole} in each quarter of an hour, the second an outage: {refused:?}"
    );
    // In the very beginning one failure is a large share.
    assert!(refused[0] < 10 && refused[3] == 0, "noise refuses nothing: {refused:?}");
    assert!(refused[1] * 100 >= whole * 75 && refused[1] * 100 <= whole * 81, "{refused:?}");
    assert!((1800..1800 + 45).contains(&last_refused), "forgotten with the window: {last_refused}");
}

#[test]
fn what_matters_most_finds_room_in_an_hour_of_floods() {
    const LIMIT: u32 = 100;
    let shedder = Shedder::compile(&LoadShedding {
        header: "x-priority".into(),
        levels: vec![("batch".into(), Percent::whole(50)), ("critical".into(), Percent::whole(100))],
        others: Percent::whole(80),
    });
    let limits = ClusterLimits::new(&CircuitLimits { max_requests: LIMIT, ..CircuitLimits::default() });
    let mut rng = fastrand::Rng::with_seed(2);
    let mut under_way: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut permits: Vec<Option<Permit>> = Vec::new();
    let words = ["critical", "normal", "batch"];
    let (mut asked, mut refused) = ([0_u32; 3], [0_u32; 3]);
    // A tick is a millisecond; every request takes half a second. Each minute ends with ten seconds of a flood.
    for tick in 0..3_600_000_u64 {
        while let Some(Reverse((end, place))) = under_way.peek().copied()
            && end <= tick
        {
            under_way.pop();
            permits[place] = None;
        }
        let flood = tick % 60_000 >= 50_000;
        if rng.u32(0..1000) >= if flood { 400 } else { 60 } {
            continue;
        }
        // A tenth is critical, a half is batch.
        let kind = [0, 1, 1, 1, 1, 2, 2, 2, 2, 2][rng.usize(0..10)];
        asked[kind] += 1;
        let mut headers = HeaderMap::new();
        headers.insert("x-priority", HeaderValue::from_static(words[kind]));
        match limits.try_request_within(shedder.share(&headers)) {
            Ok(permit) => {
                under_way.push(Reverse((tick + 500, permits.len())));
                permits.push(Some(permit));
            }
            Err(_) => refused[kind] += 1,
        }
    }
    let share = |kind: usize| f64::from(refused[kind]) / f64::from(asked[kind]);
    println!(
        "load shedding, share refused: critical {:.4}, normal {:.3}, batch {:.3}",
        share(0),
        share(1),
        share(2)
    );
    assert!(share(0) < 0.001, "{refused:?} of {asked:?}");
    assert!(share(2) > 2.0 * share(1) && share(1) > 0.0, "{refused:?} of {asked:?}");
}

/// Tries for each request in an hour in which this share of tries takes two seconds, and the others 20 ms; and how long the
/// slowest hundredth of requests took, in milliseconds.
fn hedged(slow: f64, hedge: bool) -> (f64, u64) {
    const PER_SECOND: u64 = 100;
    let policy = RetryPolicy { num_retries: 1, ..RetryPolicy::on(RetryOn::SERVER_ERROR) };
    let rules = RetryRules::compile(&policy).expect("it has no patterns");
    let limits = ClusterLimits::new(&CircuitLimits { max_requests: u32::MAX, ..CircuitLimits::default() });
    let mut rng = fastrand::Rng::with_seed(7);
    // When, and what is given back then or decided: the number of a request that is slow.
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut holders: Vec<Option<(Permit, Option<Permit>)>> = Vec::new();
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut began: Vec<(u64, u64)> = Vec::new();
    let mut tries = 0_u64;
    let took = |rng: &mut fastrand::Rng| if rng.f64() < slow { 2_000 } else { 20 };
    for tick in 0..3_600_000_u64 {
        while let Some(Reverse((end, place))) = ends.peek().copied()
            && end <= tick
        {
            ends.pop();
            holders[place] = None;
        }
        while let Some(Reverse((at, request))) = due.peek().copied()
            && at <= tick
        {
            due.pop();
            let facts = RequestFacts { idempotent: true, outer_attempt: None };
            let mut state = RetryState::new(Some(Arc::clone(&rules)), facts);
            if let RetryDecision::Retry { permit, .. } = state.hedge(true, None, &limits, &mut rng)
                && let Ok(under_way) = limits.try_request()
            {
                tries += 1;
                let end = tick + took(&mut rng);
                began[request].1 = began[request].1.min(end);
                ends.push(Reverse((end, holders.len())));
                holders.push(Some((under_way, permit)));
            }
        }
        if tick % (1000 / PER_SECOND) == 0 {
            let Ok(permit) = limits.try_request() else { continue };
            tries += 1;
            let end = tick + took(&mut rng);
            if hedge && end > tick + 100 {
                due.push(Reverse((tick + 100, began.len())));
            }
            began.push((tick, end));
            ends.push(Reverse((end, holders.len())));
            holders.push(Some((permit, None)));
        }
    }
    let mut waits: Vec<u64> = began.iter().map(|(from, to)| to - from).collect();
    waits.sort_unstable();
    (tries as f64 / began.len() as f64, waits[waits.len() * 99 / 100])
}

#[test]
fn hedging_spares_requests_the_slow_tries_and_upstreams_the_double_load() {
    let (alone, raced) = (hedged(0.03, false), hedged(0.03, true));
    let brownout = hedged(1.0, true);
    println!(
        "hedging after 100 ms, 3 % of tries take 2 s: tries for each request, and the slowest hundredth"
    );
    println!("  without {:.3} {:5} ms\n  with    {:.3} {:5} ms", alone.0, alone.1, raced.0, raced.1);
    println!("  where every try takes 2 s: {:.3}", brownout.0);
    assert!(alone.1 >= 2_000 && raced.1 <= 200, "{alone:?} {raced:?}");
    assert!(raced.0 < 1.05, "{raced:?}");
    assert!(brownout.0 <= 1.21 && brownout.0 > 1.1, "the budget holds: {brownout:?}");
}
