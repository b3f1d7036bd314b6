//! What must hold for every configuration: random ones, from seeded dice, against naive rules.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use ripstop_model::endpoint::{Locality, LocalityEndpoints};
use ripstop_model::load_balancing::{ConsistentHashing, HashFunction, LocalityBalancing, SlowStart};
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch, StringMatch};
use ripstop_model::outlier::{OutlierDetection, Streak};
use ripstop_model::route::{Forward, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch};
use ripstop_model::{
    Address, ClusterLoadAssignment, Endpoint, HealthStatus, LbPolicy, LoadBalancing, Name, Percent,
    VirtualHost,
};
use ripstop_policy::balance::zone::Home;
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::host::HostSet;
use ripstop_policy::outlier::{Outcome, OutlierDetector};
use ripstop_policy::route::{NoRoute, RequestHead, RouteRef, RouteTable};
use ripstop_policy::runtime::Runtime;

const ROUTE_TABLES: u64 = 300;
const REQUESTS_PER_TABLE: usize = 100;
const CLUSTERS: u64 = 400;

fn one_of<'a>(rng: &mut fastrand::Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(0..choices.len())]
}

/// A short text over a small alphabet, so that rules and requests often meet.
fn short(rng: &mut fastrand::Rng, alphabet: &[&str], most: usize) -> String {
    (0..rng.usize(0..=most)).map(|_| one_of(rng, alphabet)).collect()
}

fn random_host_name(rng: &mut fastrand::Rng) -> String {
    format!("{}{}", one_of(rng, &["a", "B"]), short(rng, &["a", "b", ".", "A"], 4))
}

fn random_path(rng: &mut fastrand::Rng) -> String {
    format!("/{}", short(rng, &["a", "b", "/", "A"], 4))
}

fn random_match(rng: &mut fastrand::Rng) -> RouteMatch {
    let text: Name = random_path(rng).into();
    let path = match rng.u8(0..4) {
        0 => PathMatch::Exact(text),
        1 => PathMatch::Prefix(text),
        2 => PathMatch::PathSeparatedPrefix(text.trim_end_matches('/').into()),
        // Letters and slashes mean themselves; the naive matcher knows this one form.
        _ => PathMatch::Regex(format!("{text}[ab]*").into()),
    };
    let mut matches = RouteMatch { case_sensitive: rng.bool(), ..RouteMatch::path(path) };
    if rng.u8(0..4) == 0 {
        matches.headers.push(HeaderMatch {
            name: "x-h".into(),
            value: match rng.bool() {
                true => HeaderValueMatch::Present(rng.bool()),
                false => HeaderValueMatch::String(StringMatch::exact(one_of(rng, &["", "1", "2"]))),
            },
            invert: rng.bool(),
            treat_missing_as_empty: rng.bool(),
        });
    }
    if rng.u8(0..4) == 0 {
        let value = match rng.bool() {
            true => QueryValueMatch::String(StringMatch::exact("1")),
            false => QueryValueMatch::Present(rng.bool()),
        };
        matches.query.push(QueryMatch { name: "q".into(), value });
    }
    matches
}

fn random_routes(rng: &mut fastrand::Rng) -> RouteConfiguration {
    let mut taken = std::collections::BTreeSet::new();
    let virtual_hosts = (0..rng.usize(0..12)).map(|n| {
        let domains = (0..rng.usize(1..4)).map(|_| match rng.u8(0..7) {
            0..3 => random_host_name(rng),
            3..5 => format!("*{}", random_host_name(rng)),
            5 => format!("{}*", random_host_name(rng)),
            _ => "*".to_owned(),
        });
        let domains: Vec<String> = domains.collect();
        let free = |domain: &String| taken.insert(domain.to_ascii_lowercase());
        let domains = domains.into_iter().filter(free).map(Name::from).collect();
        let routes = (0..rng.usize(0..6))
            .map(|_| Route::new(random_match(rng), RouteAction::Forward(Box::new(Forward::to("c")))));
        VirtualHost::new(format!("v{n}"), domains, routes.collect())
    });
    RouteConfiguration::new("r", virtual_hosts.collect())
}

/// The rank of a domain that fits, best first; `None`: it does not fit.
fn naive_domain(domain: &str, host: &str) -> Option<(u8, Reverse)> {
    let (domain, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    let longer = host.len() + 1 > domain.len() && host.len() >= domain.len();
    if domain == host {
        Some((0, std::cmp::Reverse(0)))
    } else if domain == "*" {
        Some((3, std::cmp::Reverse(0)))
    } else if let Some(suffix) = domain.strip_prefix('*') {
        (longer && host.ends_with(suffix)).then_some((1, std::cmp::Reverse(suffix.len())))
    } else {
        let prefix = domain.strip_suffix('*')?;
        (longer && host.starts_with(prefix)).then_some((2, std::cmp::Reverse(prefix.len())))
    }
}

type Reverse = std::cmp::Reverse<usize>;

fn naive_path(matches: &RouteMatch, path: &str) -> bool {
    let fold = |text: &str| match matches.case_sensitive {
        true => text.to_owned(),
        false => text.to_ascii_lowercase(),
    };
    match &matches.path {
        PathMatch::Exact(exact) => fold(path) == fold(exact),
        PathMatch::Prefix(prefix) => fold(path).starts_with(&fold(prefix)),
        PathMatch::PathSeparatedPrefix(prefix) => {
            fold(path) == fold(prefix) || fold(path).starts_with(&fold(&format!("{prefix}/")))
        }
        PathMatch::Regex(pattern) => {
            let literal = pattern.strip_suffix("[ab]*").unwrap_or(pattern);
            path.strip_prefix(literal).is_some_and(|rest| rest.chars().all(|c| c == 'a' || c == 'b'))
        }
        PathMatch::Template(_) | PathMatch::Connect => unreachable!("not made here"),
    }
}

fn naive_header(rule: &HeaderMatch, sent: Option<&str>) -> bool {
    let sent = sent.or(rule.treat_missing_as_empty.then_some(""));
    let holds = match (&rule.value, sent) {
        (HeaderValueMatch::Present(wanted), sent) => sent.is_some() == *wanted,
        (_, None) => return false,
        (HeaderValueMatch::String(rule), Some(sent)) => *rule == StringMatch::exact(sent),
        (HeaderValueMatch::Range { .. }, Some(_)) => unreachable!("not made here"),
    };
    holds ^ rule.invert
}

fn naive_find(
    config: &RouteConfiguration,
    request: &RequestHead<'_>,
    header: Option<&str>,
) -> Result<RouteRef, NoRoute> {
    let ranked = config.virtual_hosts.iter().enumerate().flat_map(|(n, host)| {
        host.domains.iter().filter_map(move |domain| Some((naive_domain(domain, request.authority)?, n)))
    });
    let (_, virtual_host) = ranked.min().ok_or(NoRoute::VirtualHost)?;
    let before: usize = config.virtual_hosts[..virtual_host].iter().map(|host| host.routes.len()).sum();
    let takes = |route: &Route| {
        naive_path(&route.matches, request.path)
            && route.matches.headers.iter().all(|rule| naive_header(rule, header))
            && route.matches.query.iter().all(|rule| match rule.value {
                QueryValueMatch::Present(wanted) => request.query.is_some() == wanted,
                QueryValueMatch::String(_) => request.query == Some("q=1"),
            })
    };
    let route = config.virtual_hosts[virtual_host].routes.iter().position(takes);
    let route = route.ok_or(NoRoute::Route(virtual_host))?;
    Ok(RouteRef { virtual_host, route, index: before + route })
}

#[test]
fn the_route_table_agrees_with_a_naive_search() {
    let (mut found, mut missed) = (0, 0);
    for seed in 0..ROUTE_TABLES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let config = random_routes(&mut rng);
        let table = RouteTable::compile(&config, &Runtime::default())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for _ in 0..REQUESTS_PER_TABLE {
            let (authority, path) = (random_host_name(&mut rng), random_path(&mut rng));
            let header = [None, Some(""), Some("1"), Some("2")][rng.usize(0..4)];
            let mut headers = HeaderMap::new();
            headers
                .extend(header.map(|text| {
                    (http::HeaderName::from_static("x-h"), http::HeaderValue::from_static(text))
                }));
            let request = RequestHead {
                query: [None, Some("q=1"), Some("q=2")][rng.usize(0..3)],
                ..RequestHead::get(&authority, &path, &headers)
            };
            let expected = naive_find(&config, &request, header);
            assert_eq!(table.find(&request), expected, "seed {seed}: {request:?} in {config:#?}");
            *(if expected.is_ok() { &mut found } else { &mut missed }) += 1;
        }
    }
    assert!(found > 3_000 && missed > 3_000, "both cases are tried: {found} found, {missed} not");
}

fn random_assignment(rng: &mut fastrand::Rng) -> ClusterLoadAssignment {
    let mut assignment = ClusterLoadAssignment::flat("c", Vec::new());
    let mut port = 0;
    let localities = (0..rng.u32(1..5)).map(|number| LocalityEndpoints {
        locality: Locality { zone: number.to_string().into(), ..Locality::default() },
        priority: number / 2,
        weight: NonZeroU32::new(rng.u32(1..4)),
        endpoints: (0..rng.u32(0..6))
            .map(|_| {
                port += 1;
                let health = match rng.u8(0..10) {
                    0 => HealthStatus::Unhealthy,
                    1 => HealthStatus::Draining,
                    2 => HealthStatus::Timeout,
                    3 => HealthStatus::Degraded,
                    4..7 => HealthStatus::Healthy,
                    _ => HealthStatus::Unknown,
                };
                let weight = NonZeroU32::MIN.saturating_add(rng.u32(0..3));
                Arc::new(Endpoint { health, weight, ..Endpoint::new(Address::socket([10, 0, 0, 1], port)) })
            })
            .collect(),
    });
    assignment.localities = localities.collect();
    assignment
}

fn random_policy(rng: &mut fastrand::Rng) -> LbPolicy {
    let hashing =
        ConsistentHashing { use_hostname: rng.bool(), balance_factor: rng.bool().then(|| rng.u32(100..200)) };
    match rng.u8(0..6) {
        0 => LbPolicy::RoundRobin,
        1 => LbPolicy::LeastRequest { choices: rng.u32(2..5), active_request_bias_milli: rng.u32(0..3000) },
        2 => LbPolicy::RingHash {
            min_ring_size: rng.u32(1..200),
            max_ring_size: 500,
            function: HashFunction::Xx,
            hashing,
        },
        3 => LbPolicy::Maglev { table_size: 251, hashing },
        4 => LbPolicy::LeastResponseTime { decay: LbPolicy::DEFAULT_DECAY },
        _ => LbPolicy::Random,
    }
}

fn random_balancing(rng: &mut fastrand::Rng) -> LoadBalancing {
    LoadBalancing {
        panic_threshold: Percent::whole(rng.u32(0..=60)),
        locality: match rng.bool() {
            true => LocalityBalancing::Weighted,
            false => LocalityBalancing::ZoneAware {
                enabled: Percent::whole(rng.u32(0..=100)),
                min_cluster_size: rng.u64(0..6),
                fail_traffic_on_panic: false,
            },
        },
        slow_start: rng.bool().then(|| SlowStart {
            window: Duration::from_secs(60),
            aggression_milli: rng.u32(1..3000),
            min_weight: Percent::whole(rng.u32(0..=100)),
        }),
        ..LoadBalancing::new(random_policy(rng))
    }
}

/// Puts aside what the dice say, through the detector, as it would happen.
fn eject_some(set: &HostSet, rng: &mut fastrand::Rng, now: Instant) {
    let detector = OutlierDetector::new(OutlierDetection {
        consecutive_5xx: Streak::always(1),
        max_ejection_percent: Percent::ALL,
        ..OutlierDetection::default()
    });
    for entry in set.entries() {
        if rng.u8(0..4) == 0 {
            detector.record(&entry.host, Outcome::Timeout, set, now, rng);
        }
    }
    if rng.u8(0..4) == 0 {
        detector.sweep(set, now + Duration::from_secs(31), rng);
    }
}

#[test]
fn an_excluded_host_is_picked_in_declared_panic_only() {
    let (mut calm, mut panics, mut none) = (0, 0, 0);
    for seed in 0..CLUSTERS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let set = Arc::new(HostSet::update(None, &random_assignment(&mut rng), Instant::now()));
        let balancing = random_balancing(&mut rng);
        let threshold = balancing.panic_threshold;
        let home = Home {
            locality: set.entries().first().map(|e| (*e.locality).clone()).unwrap_or_default(),
            peers: Arc::clone(&set),
        };
        let mut balancer = Balancer::new(balancing, Arc::clone(&set), Some(home), seed, Instant::now());
        for round in 0..20 {
            if round % 5 == 0 {
                eject_some(&set, &mut rng, Instant::now());
            }
            let mut tried = Vec::new();
            for entry in set.entries() {
                if rng.u8(0..4) == 0 {
                    tried.push(Arc::clone(&entry.host));
                }
            }
            let hash = rng.bool().then(|| rng.u64(..));
            let context = PickContext { hash, ..PickContext::avoiding(&tried, Instant::now()) };
            match balancer.pick(&context, &mut rng) {
                Pick::Host { entry, panic } => {
                    let usable = entry.is_available() || entry.is_degraded();
                    assert!(panic || usable, "seed {seed}: {entry:?} was picked without panic");
                    assert!(!tried.iter().any(|host| Arc::ptr_eq(host, &entry.host)), "seed {seed}");
                    let level: Vec<_> =
                        set.entries().iter().filter(|other| other.priority == entry.priority).collect();
                    let well = level.iter().filter(|e| e.is_available() || e.is_degraded()).count();
                    let below = well * 1_000_000 < threshold.as_per_million() as usize * level.len();
                    assert!(!panic || below, "seed {seed}: panic with {well} of {} well", level.len());
                    *(if panic { &mut panics } else { &mut calm }) += 1;
                }
                Pick::None(_) => {
                    let left = set.entries().iter().filter(|entry| {
                        entry.is_available() && !tried.iter().any(|host| Arc::ptr_eq(host, &entry.host))
                    });
                    assert_eq!(left.count(), 0, "seed {seed}: an available host was left");
                    none += 1;
                }
            }
        }
    }
    assert!(calm > 1_000 && panics > 200 && none > 100, "all cases are tried: {calm} {panics} {none}");
}
