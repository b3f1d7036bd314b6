//! Which requests have which fault.

use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};
use ripstop_model::runtime::{RuntimeValue, RuntimeValues};

use super::*;

fn delay(share: FaultShare, millis: u64) -> HttpFault {
    let delay = FaultDelay { share, fixed: Some(Duration::from_millis(millis)) };
    HttpFault { delay: Some(delay), ..HttpFault::default() }
}

fn abort(share: FaultShare, status: FaultStatus) -> HttpFault {
    HttpFault { abort: Some(FaultAbort { share, status, body: None }), ..HttpFault::default() }
}

fn percent(parts: u32) -> FaultShare {
    FaultShare { parts, ..FaultShare::ALL }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn rules(fault: &HttpFault, set: &[(&str, f64)]) -> FaultRules {
    let values: RuntimeValues =
        set.iter().map(|(key, value)| ((*key).to_owned(), RuntimeValue::number(*value))).collect();
    FaultRules::compile(fault, &Runtime::new(vec![("only".to_owned(), values)])).unwrap()
}

/// How many of 1000 requests wait, and how long the last one did.
fn waits(rules: &FaultRules, headers: &HeaderMap) -> (usize, u128) {
    let mut rng = fastrand::Rng::with_seed(7);
    let waits: Vec<_> = (0..1000).filter_map(|_| rules.delay(headers, &mut rng)).collect();
    (waits.len(), waits.last().map_or(0, Duration::as_millis))
}

fn aborted(rules: &FaultRules, pairs: &[(&'static str, &str)]) -> Option<(u16, Option<u32>)> {
    let abort = rules.abort(&headers(pairs), &mut fastrand::Rng::with_seed(7));
    abort.map(|abort| (abort.status, abort.grpc))
}

#[test]
fn a_share_waits() {
    let none = HeaderMap::new();
    assert_eq!(waits(&rules(&delay(FaultShare::ALL, 5), &[]), &none), (1000, 5));
    assert_eq!(waits(&rules(&delay(percent(0), 5), &[]), &none), (0, 0));
    let (some, _) = waits(&rules(&delay(percent(30), 5), &[]), &none);
    assert!((260..340).contains(&some), "{some}");
    assert_eq!(waits(&rules(&HttpFault::default(), &[]), &none), (0, 0));
}

#[test]
fn headers_make_the_share_smaller_but_never_larger() {
    let rules = rules(&delay(percent(30), 5), &[]);
    let with = |asked| waits(&rules, &headers(&[("x-envoy-fault-delay-request-percentage", asked)])).0;
    assert_eq!(with("0"), 0);
    let (unasked, most) = (waits(&rules, &HeaderMap::new()).0, with("100"));
    assert_eq!((most, with("nonsense"), with("-1")), (unasked, unasked, unasked));
    assert!((20..90).contains(&with("5")), "{}", with("5"));
}

#[test]
fn headers_say_how_long_and_with_what_where_that_is_left_to_them() {
    let waiting = FaultDelay { share: FaultShare::ALL, fixed: None };
    let asked = rules(&HttpFault { delay: Some(waiting), ..HttpFault::default() }, &[]);
    let with = |value| waits(&asked, &headers(&[("x-envoy-fault-delay-request", value)]));
    assert_eq!((with("20"), with("0"), with("soon")), ((1000, 20), (0, 0), (0, 0)));
    assert_eq!(waits(&asked, &HeaderMap::new()), (0, 0));
    let asked = rules(&abort(FaultShare::ALL, FaultStatus::Header), &[]);
    let with = |pairs: &[(&'static str, &str)]| aborted(&asked, pairs);
    assert_eq!(with(&[("x-envoy-fault-abort-request", "418")]), Some((418, None)));
    assert_eq!(with(&[("x-envoy-fault-abort-request", "199")]), None);
    assert_eq!(with(&[("x-envoy-fault-abort-grpc-request", "14")]), Some((200, Some(14))));
    let both = [("x-envoy-fault-abort-request", "503"), ("x-envoy-fault-abort-grpc-request", "14")];
    assert_eq!(with(&both), Some((503, None)), "HTTP wins");
    assert_eq!(with(&[]), None);
}

#[test]
fn only_what_fits_is_concerned() {
    let there = HeaderMatch {
        name: "x-user".into(),
        value: HeaderValueMatch::Present(true),
        invert: false,
        treat_missing_as_empty: false,
    };
    let fault = HttpFault {
        upstream_cluster: Some("cart".into()),
        downstream_nodes: vec!["n1".into(), "n2".into()],
        headers: vec![there],
        ..abort(FaultShare::ALL, FaultStatus::Http(503))
    };
    let rules = rules(&fault, &[]);
    let concerns = |pairs: &[(&'static str, &str)], cluster: Option<&str>| {
        let headers = headers(pairs);
        let head = RequestHead {
            authority: "shop",
            path: "/",
            query: None,
            method: "GET",
            scheme: "http",
            headers: &headers,
            client_cert_presented: false,
            client_cert_validated: false,
            random: 0,
        };
        rules.concerns(&head, cluster)
    };
    let fits = [("x-user", "a"), ("x-envoy-downstream-service-node", "n2")];
    assert!(concerns(&fits, Some("cart")));
    assert!(!concerns(&fits, Some("user")) && !concerns(&fits, None));
    assert!(!concerns(&fits[..1], Some("cart")) && !concerns(&fits[1..], Some("cart")));
    let other = [("x-user", "a"), ("x-envoy-downstream-service-node", "n3")];
    assert!(!concerns(&other, Some("cart")));
}

#[test]
fn values_may_be_set_by_name_and_for_single_callers() {
    let caller = |name| headers(&[("x-envoy-downstream-service-cluster", name)]);
    let set = [
        ("fault.http.delay.fixed_delay_percent", 0.0),
        ("fault.http.delay.fixed_duration_ms", 8.0),
        ("fault.http.web.v2.delay.fixed_delay_percent", 100.0),
        ("fault.http.app.delay.fixed_duration_ms", 9.0),
        ("fault.http.app.abort.http_status", 418.0),
        ("fault.http.abort.http_status", 504.0),
        ("fault.http.max_active_faults", 3.0),
    ];
    let delayed = rules(&delay(FaultShare::ALL, 5), &set);
    assert_eq!(waits(&delayed, &HeaderMap::new()), (0, 0), "the share that is set for all");
    assert_eq!(waits(&delayed, &caller("other")), (1000, 8), "which does not hold for who says its name");
    assert_eq!(waits(&delayed, &caller("app")), (1000, 9));
    assert_eq!(delayed.max_active(), Some(3));
    let rare = rules(&delay(percent(0), 5), &set);
    assert_eq!((waits(&rare, &caller("web.v2")), waits(&rare, &caller("app"))), ((1000, 8), (0, 0)));
    let aborts = rules(&abort(FaultShare::ALL, FaultStatus::Http(503)), &set);
    assert_eq!(aborted(&aborts, &[]), Some((504, None)));
    assert_eq!(aborted(&aborts, &[("x-envoy-downstream-service-cluster", "app")]), Some((418, None)));
    assert_eq!(aborted(&aborts, &[("x-envoy-downstream-service-cluster", "other")]), Some((503, None)));
    let named = HttpFault { max_active: Some(9), ..abort(FaultShare::ALL, FaultStatus::Grpc(14)) };
    let mut named = HttpFault { hides_callers: true, ..named };
    named.keys.abort_grpc_status = Some("mine".into());
    named.keys.max_active = Some("none".into());
    let named = rules(&named, &[("mine", 5.0), ("fault.http.abort.grpc_status", 7.0)]);
    assert_eq!((aborted(&named, &[]), named.max_active()), (Some((200, Some(5))), Some(9)));
    assert_eq!(named.counted_caller(&caller("app")), None);
    assert_eq!(aborts.counted_caller(&caller("app")), Some("app"));
    assert_eq!(aborts.counted_caller(&caller("")), None);
}

#[test]
fn answers_are_slowed_down_to_a_rate() {
    let slow = |fixed_kib| {
        let rate = FaultRate { share: FaultShare::ALL, fixed_kib };
        rules(&HttpFault { rate: Some(rate), ..HttpFault::default() }, &[])
    };
    let rate = |rules: &FaultRules, value| {
        let headers = headers(&[("x-envoy-fault-throughput-response", value)]);
        rules.rate_kib(&headers, &mut fastrand::Rng::with_seed(1))
    };
    assert_eq!(rate(&slow(Some(4)), "9"), Some(4));
    assert_eq!((rate(&slow(None), "9"), rate(&slow(None), "0")), (Some(9), None));
    assert!(slow(None).slows_answers() && !rules(&HttpFault::default(), &[]).slows_answers());
}
