//! Hosts and generations of them, by tables.

use super::*;
use std::num::NonZeroU32;

use ripstop_model::{ClusterLoadAssignment, Endpoint, HealthStatus};

fn endpoint(port: u16) -> Endpoint {
    Endpoint::new(Address::socket([10, 0, 0, 1], port))
}

fn address(port: u16) -> Address {
    Address::socket([10, 0, 0, 1], port)
}

#[test]
fn a_host_survives_a_change_of_its_weight_and_health() {
    let first = HostSet::update(
        None,
        &ClusterLoadAssignment::flat("c", vec![endpoint(1), endpoint(2)]),
        Instant::now(),
    );
    let request = first.get(&address(2)).unwrap().host.begin_request();

    let heavy =
        Endpoint { weight: NonZeroU32::new(9).unwrap(), health: HealthStatus::Draining, ..endpoint(2) };
    let assignment = ClusterLoadAssignment::flat("c", vec![heavy, endpoint(3)]);
    let second = HostSet::update(Some(&first), &assignment, Instant::now());

    let (before, after) = (first.get(&address(2)).unwrap(), second.get(&address(2)).unwrap());
    assert!(Arc::ptr_eq(&before.host, &after.host));
    assert_eq!((after.host.active_requests(), after.index), (1, 0));
    assert_eq!((before.endpoint.weight.get(), after.endpoint.weight.get()), (1, 9));
    assert!(before.is_available() && !after.is_available());
    assert_eq!(after.health_flags(), "/eds_status_draining");
    assert!(second.get(&address(1)).is_none());
    assert_eq!((second.len(), second.available()), (2, 1));
    drop(request);
    assert_eq!(after.host.active_requests(), 0);
    assert_eq!(after.host.totals().rq_total.load(Ordering::Relaxed), 1);
}

#[test]
fn an_address_that_stands_twice_counts_once() {
    let set = HostSet::update(
        None,
        &ClusterLoadAssignment::flat("c", vec![endpoint(1), endpoint(1)]),
        Instant::now(),
    );
    assert_eq!(set.len(), 1);
    let connection = set.entries()[0].host.try_begin_connection(u32::MAX);
    assert_eq!(set.entries()[0].host.active_connections(), 1);
    drop(connection);
    assert_eq!(set.entries()[0].host.active_connections(), 0);
}

#[test]
fn outcomes_are_counted_by_kind() {
    let host = Host::new(address(1), Instant::now());
    for outcome in [Outcome::Status(404), Outcome::Status(500), Outcome::Timeout, Outcome::ConnectFailure] {
        host.count_outcome(outcome);
    }
    host.count_connect_failure();
    let totals = host.totals();
    let counts = [&totals.rq_success, &totals.rq_error, &totals.rq_timeout, &totals.cx_connect_fail];
    assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [1, 3, 1, 1]);
}

#[test]
fn hosts_are_found_by_address_in_any_order() {
    let endpoints = [5, 1, 4, 2].map(endpoint).to_vec();
    let set = HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now());
    for port in 0..7 {
        let found = set.get(&address(port)).map(|entry| entry.index);
        assert_eq!(found, [5, 1, 4, 2].iter().position(|&p| p == port), "{port}");
    }
}

fn checked() -> ripstop_model::health_check::HealthRules {
    use ripstop_model::health_check::{HealthCheck, HealthLog, HealthRules, Intervals, Probe, TcpProbe};
    let check = HealthCheck {
        timeout: Duration::from_secs(1),
        intervals: Intervals::every(Duration::from_secs(1)),
        unhealthy_threshold: NonZeroU32::MIN,
        healthy_threshold: NonZeroU32::MIN,
        probe: Probe::Tcp(TcpProbe::default()),
        reuse_connection: true,
        log: HealthLog::default(),
        alpn: Vec::new(),
        transport_labels: None,
    };
    HealthRules { check: Some(Box::new(check)), ..HealthRules::default() }
}

#[test]
fn a_host_that_is_checked_begins_as_unhealthy() {
    use ripstop_model::endpoint::EndpointExtra;
    use ripstop_model::health_check::{EndpointHealthCheck, HealthRules};
    let disabled = EndpointHealthCheck { disabled: true, ..EndpointHealthCheck::default() };
    let extra = EndpointExtra { check: Some(Box::new(disabled)), ..EndpointExtra::default() };
    let unchecked = Endpoint { extra: extra.boxed(), ..endpoint(2) };
    let assignment = ClusterLoadAssignment::flat("c", vec![endpoint(1), unchecked]);
    let rules = HealthRules { ignore_until_first_check: true, ..checked() };
    let set = HostSet::checked(None, &assignment, &rules, Instant::now());
    let flags: Vec<String> = set.entries().iter().map(|entry| entry.health_flags()).collect();
    assert_eq!(flags, ["/failed_active_hc/pending_active_hc", "healthy"]);
    let unchecked = HostSet::update(Some(&set), &assignment, Instant::now());
    assert!(unchecked.entries()[0].is_available(), "nobody checks any more");
}

#[test]
fn a_host_that_is_taken_out_stays_while_it_is_well() {
    use crate::health::flags::HealthFlag;
    use ripstop_model::health_check::HealthRules;
    let both = ClusterLoadAssignment::flat("c", vec![endpoint(1), endpoint(2)]);
    let one = ClusterLoadAssignment::flat("c", vec![endpoint(2)]);
    let now = Instant::now();
    let first = HostSet::checked(None, &both, &checked(), now);
    let host = first.get(&address(1)).unwrap().host.clone();
    assert!(HostSet::checked(Some(&first), &one, &checked(), now).get(&address(1)).is_none(), "not well");
    host.health.set(HealthFlag::FailedActiveHc, false);
    let ignoring = HealthRules { ignore_on_removal: true, ..checked() };
    assert!(HostSet::checked(Some(&first), &one, &ignoring, now).get(&address(1)).is_none());
    let second = HostSet::checked(Some(&first), &one, &checked(), now);
    let entry = second.get(&address(1)).unwrap();
    assert_eq!((entry.health_flags(), entry.index), ("/pending_dynamic_removal".to_owned(), 1));
    assert!(entry.is_available() && !second.has_left());
    host.health.set(HealthFlag::FailedActiveHc, true);
    assert!(second.has_left());
    assert!(HostSet::checked(Some(&second), &one, &checked(), now).get(&address(1)).is_none());
    host.health.set(HealthFlag::FailedActiveHc, false);
    let back = HostSet::checked(Some(&second), &both, &checked(), now);
    assert_eq!(back.get(&address(1)).unwrap().health_flags(), "healthy");
}

#[test]
fn latency_follows_the_last_answers() {
    let host = Host::new(Address::socket([10, 0, 0, 1], 80), Instant::now());
    assert_eq!(host.latency(), None);
    let ms = Duration::from_millis;
    host.record_latency(ms(80));
    assert_eq!(host.latency(), Some(ms(80)));
    host.record_latency(ms(160));
    assert_eq!(host.latency(), Some(ms(90)));
    for _ in 0..200 {
        host.record_latency(ms(1));
    }
    assert_eq!(host.latency(), Some(ms(1)));
    host.record_latency(Duration::MAX);
    host.record_latency(Duration::ZERO);
    assert!(host.latency().is_some_and(|latency| latency > ms(1)));
}

#[test]
fn a_host_that_is_never_used_costs_little() {
    let set = HostSet::update(
        None,
        &ClusterLoadAssignment::flat("c", vec![endpoint(1), endpoint(2)]),
        Instant::now(),
    );
    let [used, unused] = [0, 1].map(|index| set.entries()[index].host.clone());
    drop(used.begin_request());
    assert!(used.used().is_some() && unused.used().is_none());
    assert_eq!(
        (used.totals().rq_total.load(Ordering::Relaxed), unused.totals().rq_total.load(Ordering::Relaxed)),
        (1, 0)
    );
    assert_eq!((unused.ejection(), unused.ejection_count(), unused.latency()), (None, 0, None));
    // Two counts of references go with each.
    let bytes = |of: usize| of + 2 * size_of::<usize>();
    let each = bytes(size_of::<Host>()) + bytes(size_of::<HostEntry>()) + bytes(size_of::<Endpoint>());
    assert!(each <= 240, "{each} bytes");
}
