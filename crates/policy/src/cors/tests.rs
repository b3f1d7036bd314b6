//! What pages may do, by the rules of a route.

use ripstop_model::matcher::StringMatch;
use ripstop_model::runtime::RuntimeFraction;

use super::*;

fn shop() -> CorsPolicy {
    CorsPolicy {
        allow_origins: vec![StringMatch::exact("https://shop.example")],
        allow_methods: Some("GET,POST".into()),
        ..CorsPolicy::default()
    }
}

fn rules(policies: &[&CorsPolicy]) -> CorsRules {
    CorsRules::compile(policies, &Runtime::default()).unwrap().unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

const ASKS: (&str, &str) = ("access-control-request-method", "PUT");
const SHOP: (&str, &str) = ("origin", "https://shop.example");
const OTHER: (&str, &str) = ("origin", "https://other.example");

fn judge(policy: &CorsPolicy, method: Method, pairs: &[(&'static str, &str)]) -> (Option<bool>, bool, bool) {
    let verdict = rules(&[policy]).judge(&method, &headers(pairs), &mut fastrand::Rng::with_seed(1));
    (verdict.origin_valid, verdict.allowed.is_some(), verdict.answered)
}

#[test]
fn pages_of_an_origin_that_may_are_told_so() {
    let policy = shop();
    assert_eq!(judge(&policy, Method::GET, &[SHOP]), (Some(true), true, false));
    assert_eq!(judge(&policy, Method::GET, &[OTHER]), (Some(false), false, false));
    assert_eq!(judge(&policy, Method::GET, &[]), (None, false, false));
    assert_eq!(judge(&policy, Method::GET, &[("origin", "")]), (None, false, false));
    // Several origins are one that nobody has.
    assert_eq!(judge(&policy, Method::GET, &[SHOP, SHOP]), (Some(false), false, false));
}

#[test]
fn questions_are_answered_here_if_the_origin_may_or_if_that_is_wanted() {
    let policy = shop();
    assert_eq!(judge(&policy, Method::OPTIONS, &[SHOP, ASKS]), (Some(true), true, true));
    assert_eq!(judge(&policy, Method::OPTIONS, &[SHOP]), (Some(true), true, false), "asks for nothing");
    assert_eq!(judge(&policy, Method::OPTIONS, &[OTHER, ASKS]), (Some(false), false, false));
    let strict = CorsPolicy { forward_unmatched_preflights: Some(false), ..shop() };
    assert_eq!(judge(&strict, Method::OPTIONS, &[OTHER, ASKS]), (Some(false), false, true));
}

#[test]
fn a_policy_may_only_count() {
    let never = || Some(RuntimeFraction::fixed(Percent::ZERO));
    let always = || Some(RuntimeFraction::fixed(Percent::ALL));
    let shadow = CorsPolicy { enabled: never(), shadow: always(), ..shop() };
    assert_eq!(judge(&shadow, Method::OPTIONS, &[SHOP, ASKS]), (Some(true), false, false));
    let off = CorsPolicy { enabled: never(), ..shop() };
    assert_eq!(judge(&off, Method::GET, &[SHOP]), (None, false, false));
}

#[test]
fn answers_say_what_is_allowed() {
    let policy = CorsPolicy {
        allow_headers: Some("*".into()),
        expose_headers: Some("x-total".into()),
        max_age: Some("600".into()),
        allow_credentials: Some(true),
        allow_private_network: Some(true),
        ..shop()
    };
    let rules = rules(&[&policy]);
    let asked = headers(&[
        ASKS,
        ("access-control-request-headers", "x-a,x-b"),
        ("access-control-request-private-network", "true"),
    ]);
    let origin = HeaderValue::from_static(SHOP.1);
    let told = rules.preflight(Some(&origin), &asked);
    let wanted = headers(&[
        ("access-control-allow-origin", SHOP.1),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "x-a,x-b"),
        ("access-control-expose-headers", "x-total"),
        ("access-control-max-age", "600"),
        ("access-control-allow-private-network", "true"),
    ]);
    assert_eq!(told, wanted);
    let mut answer = headers(&[("access-control-allow-origin", "of the application")]);
    rules.mark(&origin, &mut answer);
    assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], SHOP.1);
    assert_eq!(answer.len(), 3);
    assert!(!rules.preflight(None, &asked).contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[test]
fn the_most_specific_level_that_says_something_wins() {
    let route = CorsPolicy { max_age: Some("1".into()), allow_credentials: Some(false), ..shop() };
    let host = CorsPolicy {
        allow_origins: vec![StringMatch::exact("*")],
        max_age: Some("2".into()),
        allow_credentials: Some(true),
        expose_headers: Some("x-host".into()),
        ..CorsPolicy::default()
    };
    let both = rules(&[&route, &host]);
    let told = both.preflight(Some(&HeaderValue::from_static("o")), &HeaderMap::new());
    assert_eq!(told[header::ACCESS_CONTROL_MAX_AGE], "1");
    assert_eq!(told[header::ACCESS_CONTROL_EXPOSE_HEADERS], "x-host");
    assert!(!told.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    assert!(!both.allows(b"https://other.example"), "the route's own origins count");
    assert!(rules(&[&host]).allows(b"https://other.example"), "* is everybody");
    assert!(CorsRules::compile(&[], &Runtime::default()).unwrap().is_none());
}
