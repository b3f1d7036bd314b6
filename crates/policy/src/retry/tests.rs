//! What is tried again, and what is not, by tables.

use super::*;
use crate::limits::UnderWay;
use ripstop_model::Percent;
use ripstop_model::cluster::{CircuitLimits, RetryBudget};
use ripstop_model::route::{Backoff, Jitter, RateLimitedBackoff, ResetFormat, ResetHeader, RetryOn};
use std::time::SystemTime;

const IDEMPOTENT: RequestFacts = RequestFacts { idempotent: true, outer_attempt: None };
const NOT_IDEMPOTENT: RequestFacts = RequestFacts { idempotent: false, outer_attempt: None };
const INNER: RequestFacts = RequestFacts { idempotent: true, outer_attempt: Some(1) };

fn limits() -> Arc<ClusterLimits> {
    ClusterLimits::new(&CircuitLimits::default())
}

fn dice() -> fastrand::Rng {
    fastrand::Rng::with_seed(5)
}

fn policy(on: RetryOn) -> RetryPolicy {
    RetryPolicy { num_retries: 2, ..RetryPolicy::on(on) }
}

fn state(policy: Option<&RetryPolicy>, facts: RequestFacts) -> RetryState {
    RetryState::new(policy.map(|policy| RetryRules::compile(policy).unwrap()), facts)
}

/// `None`: it is retried.
fn decide(policy: Option<&RetryPolicy>, facts: RequestFacts, attempt: &Attempt) -> Option<NoRetry> {
    match state(policy, facts).decide(attempt, None, &limits(), &mut dice()) {
        RetryDecision::Retry { .. } => None,
        RetryDecision::No(why) => Some(why),
    }
}

#[test]
fn envoys_words_name_what_envoys_words_name() {
    use AttemptOutcome::{ConnectFailure, PerTryTimeout, RefusedStream, Reset, Status};
    let unsent = Attempt { request_sent: false, ..Attempt::new(Reset) };
    let grpc = |status| Attempt { grpc_status: Some(status), ..Attempt::new(Status(200)) };
    let outcomes = [
        Attempt::new(Status(200)),
        Attempt::new(Status(409)),
        Attempt::new(Status(418)),
        Attempt::new(Status(500)),
        Attempt::new(Status(503)),
        Attempt::new(ConnectFailure),
        Attempt::new(RefusedStream),
        Attempt::new(Reset),
        unsent,
        Attempt::new(PerTryTimeout),
        grpc(1),
        grpc(4),
        grpc(8),
        grpc(13),
        grpc(14),
        Attempt { retriable_header: true, ..Attempt::new(Status(200)) },
        Attempt { rate_limited: true, ..Attempt::new(Status(503)) },
    ];
    let check = |word: &str, expected: &str| {
        let mut policy = policy(RetryOn::from_word(word).unwrap());
        policy.retriable_statuses = vec![418];
        let row: String = outcomes
            .iter()
            .map(|attempt| if conditions::names(&policy, attempt) { 'x' } else { '.' })
            .collect();
        assert_eq!(row, expected, "{word}");
    };
    //                              200 409 418 500 503, connect refused reset unsent time-out, gRPC, header, limited
    check("5xx", "...xxxxxxx.......");
    check("gateway-error", "....xxxxxx.......");
    check("reset", ".....xxxxx.......");
    check("reset-before-request", ".....x..x........");
    check("connect-failure", ".....x...........");
    check("refused-stream", "......x..........");
    check("retriable-4xx", ".x...............");
    check("retriable-status-codes", "..x..............");
    check("cancelled", "..........x......");
    check("deadline-exceeded", "...........x.....");
    check("resource-exhausted", "............x....");
    check("internal", ".............x...");
    check("unavailable", "..............x..");
    check("retriable-headers", "...............x.");
    check("envoy-ratelimited", "................x");
}

#[test]
fn what_may_have_been_processed_is_repeated_only_where_that_is_harmless() {
    use AttemptOutcome::{ConnectFailure, PerTryTimeout, RefusedStream, Reset, Status};
    let all = policy(RetryOn::SERVER_ERROR);
    let any_method = RetryPolicy { any_method: true, ..all.clone() };
    for outcome in [Status(503), Reset, PerTryTimeout] {
        let attempt = Attempt::new(outcome);
        assert_eq!(decide(Some(&all), NOT_IDEMPOTENT, &attempt), Some(NoRetry::Method), "{outcome:?}");
        assert_eq!(decide(Some(&all), IDEMPOTENT, &attempt), None, "{outcome:?}");
        assert_eq!(decide(Some(&any_method), NOT_IDEMPOTENT, &attempt), None, "{outcome:?}");
        assert_eq!(decide(Some(&all), INNER, &attempt), Some(NoRetry::OuterHopOwns), "{outcome:?}");
    }
    for outcome in [ConnectFailure, RefusedStream] {
        assert_eq!(decide(Some(&all), NOT_IDEMPOTENT, &Attempt::new(outcome)), None, "{outcome:?}");
        assert_eq!(decide(Some(&all), INNER, &Attempt::new(outcome)), None, "{outcome:?}");
    }
    for outcome in [Reset, PerTryTimeout] {
        let unsent = Attempt { request_sent: false, ..Attempt::new(outcome) };
        assert_eq!(decide(Some(&all), NOT_IDEMPOTENT, &unsent), None, "{outcome:?}");
    }
}

#[test]
fn a_try_that_found_nobody_there_needs_no_budget_but_a_policy_and_a_retry_left() {
    let none = RetryBudget { budget: Percent::ZERO, min_concurrency: 0, ..RetryBudget::default() };
    let limits = ClusterLimits::new(&CircuitLimits { retry_budget: Some(none), ..CircuitLimits::default() });
    let twice = policy(RetryOn::SERVER_ERROR);
    let refused = Attempt::new(AttemptOutcome::ConnectFailure);
    let nobody = Attempt { nobody_there: true, ..refused };
    let decide = |state: &mut RetryState, attempt, left| state.decide(attempt, left, &limits, &mut dice());
    let budget = decide(&mut state(Some(&twice), NOT_IDEMPOTENT), &refused, None);
    assert!(matches!(budget, RetryDecision::No(NoRetry::Budget)), "{budget:?}");
    let mut tries = state(Some(&twice), NOT_IDEMPOTENT);
    for _ in 0..2 {
        let again = decide(&mut tries, &nobody, None);
        let free = matches!(again, RetryDecision::Retry { permit: None, wait: Wait::Backoff, .. });
        assert!(free, "{again:?}");
    }
    let exhausted = decide(&mut tries, &nobody, None);
    assert!(matches!(exhausted, RetryDecision::No(NoRetry::Exhausted)), "{exhausted:?}");
    let late = decide(&mut state(Some(&twice), IDEMPOTENT), &nobody, Some(Duration::ZERO));
    assert!(matches!(late, RetryDecision::No(NoRetry::Deadline)), "{late:?}");
    let unasked = decide(&mut state(None, IDEMPOTENT), &nobody, None);
    assert!(matches!(unasked, RetryDecision::No(NoRetry::NotRetriable)), "{unasked:?}");
}

#[test]
fn a_body_that_is_gone_or_an_overloaded_upstream_ends_it() {
    let all = policy(RetryOn::SERVER_ERROR);
    let gone = Attempt { body_replayable: false, ..Attempt::new(AttemptOutcome::Status(503)) };
    assert_eq!(decide(Some(&all), IDEMPOTENT, &gone), Some(NoRetry::Body));
    let overloaded = Attempt { overloaded: true, ..Attempt::new(AttemptOutcome::Status(503)) };
    assert_eq!(decide(Some(&all), IDEMPOTENT, &overloaded), Some(NoRetry::Overloaded));
    let fine = Attempt::new(AttemptOutcome::Status(200));
    assert_eq!(decide(Some(&all), IDEMPOTENT, &fine), Some(NoRetry::NotRetriable));
    assert_eq!(
        decide(None, IDEMPOTENT, &Attempt::new(AttemptOutcome::Status(503))),
        Some(NoRetry::NotRetriable)
    );
}

#[test]
fn a_dead_reused_connection_is_made_up_for_once() {
    let (limits, mut rng) = (limits(), dice());
    let stale = Attempt { reused_connection: true, ..Attempt::new(AttemptOutcome::Reset) };
    let mut tries = state(None, IDEMPOTENT);
    assert_eq!(tries.keeps_bytes(false, 1 << 20), Some(16 << 10), "no more than is cheap");
    assert_eq!(tries.keeps_bytes(false, 100), Some(100));
    let too_late = tries.decide(&stale, Some(Duration::ZERO), &limits, &mut rng);
    assert!(matches!(too_late, RetryDecision::No(NoRetry::Deadline)));
    match tries.decide(&stale, None, &limits, &mut rng) {
        RetryDecision::Retry { after, .. } => assert_eq!(after, Duration::ZERO),
        RetryDecision::No(why) => panic!("{why}"),
    }
    assert_eq!(tries.keeps_bytes(false, 1 << 20), None);
    assert!(matches!(
        tries.decide(&stale, None, &limits, &mut rng),
        RetryDecision::No(NoRetry::NotRetriable)
    ));
    assert_eq!(decide(None, NOT_IDEMPOTENT, &stale), Some(NoRetry::NotRetriable));
    let unsent = Attempt { request_sent: false, ..stale };
    assert_eq!(decide(None, NOT_IDEMPOTENT, &unsent), None);
    assert_eq!(decide(None, INNER, &stale), None);
    let gone = Attempt { body_replayable: false, ..stale };
    assert_eq!(decide(None, IDEMPOTENT, &gone), Some(NoRetry::NotRetriable));
}

#[test]
fn retries_end_with_policy_budget_and_time() {
    let (limits, mut rng) = (limits(), dice());
    let failed = Attempt::new(AttemptOutcome::Status(503));
    let all = policy(RetryOn::SERVER_ERROR);
    let mut tries = state(Some(&all), IDEMPOTENT);
    assert_eq!((tries.attempt_number(), tries.attempt_header()), (1, Some(1)));
    let no_time = tries.decide(&failed, Some(Duration::ZERO), &limits, &mut rng);
    assert!(matches!(no_time, RetryDecision::No(NoRetry::Deadline)));
    let first = tries.decide(&failed, None, &limits, &mut rng);
    let second = tries.decide(&failed, None, &limits, &mut rng);
    assert!(matches!((&first, &second), (RetryDecision::Retry { .. }, RetryDecision::Retry { .. })));
    assert_eq!((tries.attempt_number(), tries.attempt_header()), (3, Some(3)));
    let RetryDecision::No(why) = tries.decide(&failed, None, &limits, &mut rng) else { panic!("retried") };
    assert_eq!((why, why.flag()), (NoRetry::Exhausted, Some(ResponseFlag::UpstreamRetryLimitExceeded)));

    let mut other = state(Some(&all), IDEMPOTENT);
    let third = other.decide(&failed, None, &limits, &mut rng);
    assert_eq!(limits.under_way(), UnderWay { retries: 3, ..UnderWay::default() });
    assert!(matches!(other.decide(&failed, None, &limits, &mut rng), RetryDecision::No(NoRetry::Budget)));
    assert_eq!(other.attempt_number(), 2);
    drop((first, second, third));
    assert!(matches!(other.decide(&failed, None, &limits, &mut rng), RetryDecision::Retry { .. }));
}

#[test]
fn the_outermost_retrying_hop_numbers_the_tries() {
    let all = policy(RetryOn::SERVER_ERROR);
    assert_eq!(state(None, IDEMPOTENT).attempt_header(), None);
    let outer = RequestFacts { outer_attempt: Some(4), ..IDEMPOTENT };
    assert_eq!(state(Some(&all), outer).attempt_header(), Some(4));
    assert_eq!(state(None, outer).attempt_header(), Some(4));
}

#[test]
fn facts_are_read_off_the_request() {
    let mut headers = HeaderMap::new();
    let idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
    for method in idempotent {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert!(RequestFacts::of(&method, &headers).idempotent, "{method}");
    }
    for method in [Method::POST, Method::PATCH, Method::CONNECT] {
        assert!(!RequestFacts::of(&method, &headers).idempotent, "{method}");
    }
    headers.insert("idempotency-key", "k".parse().unwrap());
    headers.insert(ATTEMPT_HEADER, "2".parse().unwrap());
    let expected = RequestFacts { idempotent: true, outer_attempt: Some(2) };
    assert_eq!(RequestFacts::of(&Method::POST, &headers), expected);
    headers.insert(ATTEMPT_HEADER, "two".parse().unwrap());
    assert_eq!(RequestFacts::of(&Method::POST, &headers).outer_attempt, None);
}

#[test]
fn a_stream_that_was_refused_unseen_needs_no_policy() {
    let (limits, mut rng) = (limits(), dice());
    let refused = Attempt::new(AttemptOutcome::RefusedStream);
    for policy in [None, Some(&policy(RetryOn::RETRIABLE_4XX))] {
        let mut tries = state(policy, NOT_IDEMPOTENT);
        assert_eq!(tries.keeps_bytes(true, 1 << 20), Some(if policy.is_some() { 1 << 20 } else { 16 << 10 }));
        for _ in 0..UNSEEN_RETRIES {
            let decision = tries.decide(&refused, None, &limits, &mut rng);
            let unbudgeted =
                matches!(decision, RetryDecision::Retry { wait: Wait::Nothing, permit: None, .. });
            assert!(unbudgeted, "{decision:?}");
        }
        let last = tries.decide(&refused, None, &limits, &mut rng);
        assert!(matches!(last, RetryDecision::No(NoRetry::NotRetriable)), "{last:?}");
        assert_eq!(tries.attempt_number(), 1 + UNSEEN_RETRIES);
    }
    let gone = Attempt { body_replayable: false, ..refused };
    assert_eq!(decide(None, NOT_IDEMPOTENT, &gone), Some(NoRetry::NotRetriable));
}

#[test]
fn a_slow_try_is_raced_as_long_as_there_are_retries() {
    let (limits, mut rng) = (limits(), dice());
    let none_named = policy(RetryOn::RETRIABLE_4XX);
    let mut tries = state(Some(&none_named), IDEMPOTENT);
    let first = tries.hedge(true, None, &limits, &mut rng);
    let second = tries.hedge(true, None, &limits, &mut rng);
    assert!(matches!((&first, &second), (RetryDecision::Retry { .. }, RetryDecision::Retry { .. })));
    assert!(matches!(tries.hedge(true, None, &limits, &mut rng), RetryDecision::No(NoRetry::Exhausted)));
    let mut post = state(Some(&none_named), NOT_IDEMPOTENT);
    assert!(matches!(post.hedge(true, None, &limits, &mut rng), RetryDecision::No(NoRetry::Method)));
    let mut gone = state(Some(&none_named), IDEMPOTENT);
    assert!(matches!(gone.hedge(false, None, &limits, &mut rng), RetryDecision::No(NoRetry::Body)));
    let mut without = state(None, IDEMPOTENT);
    assert!(matches!(without.hedge(true, None, &limits, &mut rng), RetryDecision::No(NoRetry::NotRetriable)));
}

#[test]
fn who_limits_the_rate_is_asked_again_only_by_who_says_so_and_when_it_said() {
    let headers: HeaderMap = [("x-envoy-ratelimited", "true"), ("retry-after", "20")]
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .into_iter()
        .collect();
    let header = ResetHeader { name: "retry-after".into(), format: ResetFormat::Seconds };
    let limited = RateLimitedBackoff { headers: vec![header], max: RateLimitedBackoff::DEFAULT_MAX };
    let server_error = RetryPolicy { rate_limited: Some(limited), ..policy(RetryOn::SERVER_ERROR) };
    let rules = RetryRules::compile(&server_error).unwrap();
    let attempt = rules.answer(503, &headers, SystemTime::UNIX_EPOCH);
    assert_eq!(decide(Some(&server_error), IDEMPOTENT, &attempt), Some(NoRetry::NotRetriable));
    let asked = RetryPolicy { on: RetryOn::ENVOY_RATE_LIMITED, ..server_error };
    match state(Some(&asked), IDEMPOTENT).decide(&attempt, None, &limits(), &mut dice()) {
        RetryDecision::Retry { after, wait, .. } => {
            assert_eq!(wait, Wait::Asked);
            assert!(after >= Duration::from_secs(20) && after <= Duration::from_secs(30), "{after:?}");
        }
        RetryDecision::No(why) => panic!("{why}"),
    }
}

#[test]
fn the_wait_is_that_of_the_policy() {
    let ms = Duration::from_millis;
    let backoff = Backoff { jitter: Jitter::None, ..Backoff::exponential(ms(40), ms(100)) };
    let fixed = RetryPolicy { num_retries: 3, backoff, ..policy(RetryOn::SERVER_ERROR) };
    let (limits, mut rng) = (limits(), dice());
    let mut tries = state(Some(&fixed), IDEMPOTENT);
    for expected in [40, 80, 100] {
        let failed = Attempt::new(AttemptOutcome::Status(503));
        match tries.decide(&failed, None, &limits, &mut rng) {
            RetryDecision::Retry { after, .. } => assert_eq!(after, ms(expected)),
            RetryDecision::No(why) => panic!("{why}"),
        }
    }
}
