//! Hours before ceilings: the budgets of retries, the limits of a cluster, and the limit that finds itself (adaptive
//! concurrency), under a virtual clock with seeded dice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};
use ripstop_model::cluster::{BudgetBase, CircuitLimits, RetryBudget};
use ripstop_model::route::{RetryOn, RetryPolicy};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_model::{Address, Percent};
use ripstop_policy::adaptive::{Admitted, Gradient};
use ripstop_policy::host::Host;
use ripstop_policy::limits::{ClusterLimits, ConnectionPermit, Permit};
use ripstop_policy::retry::rules::RetryRules;
use ripstop_policy::retry::{Attempt, AttemptOutcome, RequestFacts, RetryDecision, RetryState};

const HOUR_MS: u64 = 3_600_000;

/// Tries for each request in the first and in the third quarter of an hour, and most retries that were under way. The
/// third quarter is an outage, in the others one try of a hundred fails.
fn an_hour_of_retries(limits: CircuitLimits) -> (f64, f64, u32) {
    const PER_SECOND: u64 = 100;
    const TOOK_MS: u64 = 200;
    /// A request: what it has been granted, its place among those under way and in the budget.
    struct Request {
        state: RetryState,
        quarter: usize,
        held: Option<Permit>,
        retry: Option<Permit>,
    }
    let policy = RetryPolicy { num_retries: 3, ..RetryPolicy::on(RetryOn::SERVER_ERROR) };
    let rules = RetryRules::compile(&policy).expect("it has no patterns");
    let limits = ClusterLimits::new(&limits);
    let mut rng = fastrand::Rng::with_seed(3);
    let mut requests: Vec<Request> = Vec::new();
    // When, whether it is the end of a try, and of which request.
    let mut events: BinaryHeap<Reverse<(u64, bool, usize)>> = BinaryHeap::new();
    let (mut asked, mut tries, mut most) = ([0_u64; 4], [0_u64; 4], 0);
    let mut begin = |requests: &mut [Request], place: usize, now: u64, events: &mut BinaryHeap<_>| {
        let request = &mut requests[place];
        tries[request.quarter] += 1;
        request.held = limits.try_request().ok();
        assert!(request.held.is_some(), "the limit is wide enough");
        events.push(Reverse((now + TOOK_MS, true, place)));
    };
    for now in 0..HOUR_MS {
        while let Some(Reverse((at, ended, place))) = events.peek().copied()
            && at <= now
        {
            events.pop();
            if !ended {
                begin(&mut requests, place, now, &mut events);
                continue;
            }
            let outage = (HOUR_MS / 2..HOUR_MS * 3 / 4).contains(&now);
            let failed = outage || rng.u8(0..100) == 0;
            let request = &mut requests[place];
            request.retry = None;
            let attempt = Attempt::new(AttemptOutcome::Status(if failed { 503 } else { 200 }));
            let decision = request.state.decide(&attempt, None, &limits, &mut rng);
            request.held = None;
            if let RetryDecision::Retry { after, permit, .. } = decision {
                request.retry = permit;
                most = most.max(limits.under_way().retries);
                let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                events.push(Reverse((now + after, false, place)));
            }
        }
        if now % (1000 / PER_SECOND) == 0 {
            let quarter = usize::try_from(now / (HOUR_MS / 4)).unwrap_or(3);
            asked[quarter] += 1;
            let facts = RequestFacts { idempotent: true, outer_attempt: None };
            let state = RetryState::new(Some(Arc::clone(&rules)), facts);
            requests.push(Request { state, quarter, held: None, retry: None });
            let place = requests.len() - 1;
            begin(&mut requests, place, now, &mut events);
        }
    }
    let load = |quarter: usize| tries[quarter] as f64 / asked[quarter] as f64;
    (load(0), load(2), most)
}

#[test]
fn budgets_hold_in_an_hour_with_an_outage_and_let_through_what_is_needed_otherwise() {
    let wide = CircuitLimits { max_requests: u32::MAX, ..CircuitLimits::default() };
    let budget =
        |of| CircuitLimits { retry_budget: Some(RetryBudget { of, ..RetryBudget::default() }), ..wide };
    let by_number = |max_retries| CircuitLimits { max_retries, retry_budget: None, ..wide };
    println!("100 requests/s of 200 ms, 3 retries: load while well, in an outage, most retries at once");
    for (name, limits, least, most, at_once) in [
        // At any moment a fifth of 20 or so first tries.
        ("a fifth of first tries", budget(BudgetBase::FirstTries), 1.1, 1.21, 5),
        ("a fifth of all", budget(BudgetBase::AllRequests), 1.1, 1.26, 7),
        ("three at once", by_number(3), 1.05, 1.16, 3),
        ("no limit", by_number(u32::MAX), 3.9, 4.01, u32::MAX),
    ] {
        let (well, outage, highest) = an_hour_of_retries(limits);
        println!("  {name:<22} {well:.3} {outage:.3} {highest}");
        assert!((1.009..1.012).contains(&well), "{name}: what fails now and then is repeated: {well}");
        assert!((least..most).contains(&outage), "{name}: {outage}");
        assert!(highest <= at_once, "{name}: {highest}");
    }
}

/// What is given back when it is dropped.
#[expect(dead_code, reason = "it is there to be dropped")]
enum Held {
    Connection(ConnectionPermit),
    Other(Permit),
}

#[test]
fn limits_of_a_cluster_are_never_exceeded_in_an_hour_of_bursts() {
    let config = CircuitLimits {
        max_connections: 30,
        max_connections_per_host: Some(20),
        max_pending_requests: 10,
        max_requests: 50,
        max_retries: 5,
        retry_budget: None,
        track_remaining: true,
    };
    let limits = ClusterLimits::new(&config);
    let host = |port| Arc::new(Host::new(Address::socket([10, 0, 0, 1], port), Instant::now()));
    let hosts = [host(1), host(2)];
    let mut rng = fastrand::Rng::with_seed(13);
    let mut held: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut permits: Vec<Option<Held>> = Vec::new();
    let (mut granted, mut refused) = ([0_u32; 4], [0_u32; 4]);
    for now in (0..HOUR_MS).step_by(5) {
        while let Some(Reverse((end, place))) = held.peek().copied()
            && end <= now
        {
            held.pop();
            permits[place] = None;
        }
        // A burst in the last ten seconds of each minute.
        let asks = if now % 60_000 >= 50_000 { 3 } else { u32::from(rng.u8(0..10) == 0) };
        for _ in 0..asks {
            let kind = rng.usize(0..4);
            let permit = match kind {
                // Three of four to the first.
                0 => limits.try_connection(&hosts[rng.usize(0..4) / 3]).map(Held::Connection),
                1 => limits.try_pending().map(Held::Other),
                2 => limits.try_request().map(Held::Other),
                _ => limits.try_retry().map(Held::Other),
            };
            match permit {
                Ok(permit) => {
                    granted[kind] += 1;
                    held.push(Reverse((now + rng.u64(50..2_000), permits.len())));
                    permits.push(Some(permit));
                }
                Err(_) => refused[kind] += 1,
            }
        }
        let (under_way, left) = (limits.under_way(), limits.remaining());
        assert_eq!(under_way.connections + left.connections, config.max_connections);
        let of_hosts = [&hosts[0], &hosts[1]].map(|host| host.active_connections());
        assert!(of_hosts.iter().all(|open| *open <= 20), "{of_hosts:?}");
        assert_eq!(of_hosts.iter().sum::<u32>(), under_way.connections);
        assert_eq!(under_way.pending + left.pending, config.max_pending_requests);
        assert_eq!(under_way.requests + left.requests, config.max_requests);
        assert_eq!(under_way.retries + left.retries, config.max_retries);
    }
    assert!(granted.iter().chain(&refused).all(|count| *count > 1000), "{granted:?} {refused:?}");
    permits.clear();
    assert_eq!(limits.under_way(), ripstop_policy::limits::UnderWay::default(), "all were given back");
}

/// What became of the requests of twenty minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Third {
    answered: u64,
    refused: u64,
    /// Milliseconds of the slowest answer after the first minute.
    slowest_ms: u64,
}

/// An hour before a server with twenty workers that take 20 ms for a request, what is above waits. In the second twenty
/// minutes twice as much is asked as it can do.
fn an_hour_before_a_server(gradient: Option<&Arc<Gradient>>, start: Instant) -> [Third; 3] {
    const WORKERS: usize = 20;
    const SERVICE_MS: u64 = 20;
    /// Who waits for longer has gone away.
    const PATIENCE_MS: u64 = 2_000;
    let mut rng = fastrand::Rng::with_seed(8);
    // When each of the workers is free.
    let mut free: BinaryHeap<Reverse<u64>> = (0..WORKERS).map(|_| Reverse(0)).collect();
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut admitted: Vec<Option<Admitted>> = Vec::new();
    let mut thirds = [Third::default(); 3];
    for now in 0..HOUR_MS {
        let at = |ms: u64| start + Duration::from_millis(ms);
        while let Some(Reverse((end, place))) = ends.peek().copied()
            && end <= now
        {
            ends.pop();
            if let Some(admitted) = admitted[place].take() {
                admitted.answered(at(end));
            }
        }
        let third = usize::try_from(now / (HOUR_MS / 3)).unwrap_or(2);
        // The server does one each millisecond.
        let asks = match third {
            1 => 2,
            _ => u32::from(rng.u8(0..2) == 0),
        };
        for _ in 0..asks {
            let pass = gradient.map(|gradient| gradient.admit(at(now)));
            if matches!(pass, Some(None)) {
                thirds[third].refused += 1;
                continue;
            }
            let Reverse(begins) = free.pop().unwrap_or(Reverse(now));
            let begins = begins.max(now);
            if begins - now > PATIENCE_MS {
                free.push(Reverse(begins));
                thirds[third].refused += 1;
                continue;
            }
            let end = begins + SERVICE_MS + rng.u64(0..3);
            free.push(Reverse(end));
            ends.push(Reverse((end, admitted.len())));
            admitted.push(pass.flatten());
            thirds[third].answered += 1;
            if now % (HOUR_MS / 3) > 60_000 {
                thirds[third].slowest_ms = thirds[third].slowest_ms.max(end - now);
            }
        }
    }
    thirds
}

#[test]
fn adaptive_concurrency_keeps_answers_fast_in_an_hour_with_an_overload() {
    let config = AdaptiveConcurrency {
        enabled: RuntimeFeature { key: "".into(), default: true },
        percentile: Percent::whole(50),
        max_limit: 1000,
        min_limit: 3,
        update_interval: Duration::from_millis(100),
        min_rtt: MinRtt::Measured {
            interval: Duration::from_secs(60),
            requests: 50,
            jitter: Percent::whole(10),
        },
        min_concurrency: 3,
        buffer_percent: 25,
        exceeded_status: 503,
    };
    let start = Instant::now();
    let gradient = Arc::new(Gradient::new(config, start, fastrand::Rng::with_seed(1)));
    let (alone, limited) =
        (an_hour_before_a_server(None, start), an_hour_before_a_server(Some(&gradient), start));
    println!("a server for 1,000 requests/s in twenty minutes each of 500, 2,000 and 500/s");
    println!("  alone   {alone:?}\n  limited {limited:?}");
    assert!(alone[1].slowest_ms > 1_900, "{alone:?}");
    assert!(limited[1].slowest_ms < 200, "{limited:?}");
    // While it is asked for twice what it can do, it does nearly as much as it can.
    assert!(limited[1].answered * 100 > alone[1].answered * 85, "{limited:?} {alone:?}");
    // Otherwise it refuses but what comes while it measures.
    for third in [0, 2] {
        let all = limited[third].answered + limited[third].refused;
        assert!(limited[third].refused * 100 < all * 4, "{limited:?}");
    }
    assert_eq!(gradient.status().under_way, 0);
}
