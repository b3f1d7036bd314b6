//! What is tried again, and what is not, by tables.

use super::*;
use crate::limits::UnderWay;
use ripstop_model::cluster::CircuitLimits;
use ripstop_model::route::RetryOn;

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

/// `None`: it is retried.
fn decide(policy: Option<&RetryPolicy>, facts: RequestFacts, attempt: &Attempt) -> Option<NoRetry> {
    match RetryState::new(policy, facts).decide(attempt, None, &limits(), &mut dice()) {
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
    ];
    let check = |word: &str, expected: &str| {
        let mut policy = policy(RetryOn::from_word(word).unwrap());
        policy.retriable_statuses = vec![418];
        let row: String = outcomes
            .iter()
            .map(|attempt| if decide(Some(&policy), IDEMPOTENT, attempt).is_none() { 'x' } else { '.' })
            .collect();
        assert_eq!(row, expected, "{word}");
    };
    //                              200 409 418 500 503, connect refused reset unsent time-out, gRPC
    check("5xx", "...xxxxxxx.....");
    check("gateway-error", "....xxxxxx.....");
    check("reset", ".....xxxxx.....");
    check("reset-before-request", ".....x..x......");
    check("connect-failure", ".....x.........");
    check("refused-stream", "......x........");
    check("retriable-4xx", ".x.............");
    check("retriable-status-codes", "..x............");
    check("cancelled", "..........x....");
    check("deadline-exceeded", "...........x...");
    check("resource-exhausted", "............x..");
    check("internal", ".............x.");
    check("unavailable", "..............x");
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
    let mut state = RetryState::new(None, IDEMPOTENT);
    assert!(state.may_retry());
    let too_late = state.decide(&stale, Some(Duration::ZERO), &limits, &mut rng);
    assert!(matches!(too_late, RetryDecision::No(NoRetry::Deadline)));
    match state.decide(&stale, None, &limits, &mut rng) {
        RetryDecision::Retry { after, .. } => assert_eq!(after, Duration::ZERO),
        RetryDecision::No(why) => panic!("{why}"),
    }
    assert!(!state.may_retry());
    assert!(matches!(
        state.decide(&stale, None, &limits, &mut rng),
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
    let mut state = RetryState::new(Some(&all), IDEMPOTENT);
    assert_eq!((state.attempt_number(), state.attempt_header()), (1, Some(1)));
    let no_time = state.decide(&failed, Some(Duration::ZERO), &limits, &mut rng);
    assert!(matches!(no_time, RetryDecision::No(NoRetry::Deadline)));
    let first = state.decide(&failed, None, &limits, &mut rng);
    let second = state.decide(&failed, None, &limits, &mut rng);
    assert!(matches!((&first, &second), (RetryDecision::Retry { .. }, RetryDecision::Retry { .. })));
    assert_eq!((state.attempt_number(), state.attempt_header()), (3, Some(3)));
    let RetryDecision::No(why) = state.decide(&failed, None, &limits, &mut rng) else { panic!("retried") };
    assert_eq!((why, why.flag()), (NoRetry::Exhausted, Some(ResponseFlag::UpstreamRetryLimitExceeded)));

    let mut other = RetryState::new(Some(&all), IDEMPOTENT);
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
    assert_eq!(RetryState::new(None, IDEMPOTENT).attempt_header(), None);
    let outer = RequestFacts { outer_attempt: Some(4), ..IDEMPOTENT };
    assert_eq!(RetryState::new(Some(&all), outer).attempt_header(), Some(4));
    assert_eq!(RetryState::new(None, outer).attempt_header(), Some(4));
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
fn jitter_is_full_and_bounded() {
    let mut rng = dice();
    let ms = Duration::from_millis;
    let backoff = Backoff { base: ms(25), max: ms(250) };
    for (retry, longest) in [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (40, 250), (u32::MAX, 250)] {
        let waits: Vec<_> = (0..500).map(|_| full_jitter(backoff, retry, &mut rng)).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*most <= ms(longest) && *most > ms(longest * 9 / 10), "{retry}: {most:?}");
        assert!(*least < ms(longest / 10), "{retry}: {least:?}");
    }
    let wide = Backoff { base: Duration::MAX, max: Duration::MAX };
    full_jitter(wide, u32::MAX, &mut rng);
}
