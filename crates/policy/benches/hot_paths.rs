//! Runs one decision that every request needs so many times: for `.ci/instructions`, which counts instructions.
//!
//!     cargo bench -p ripstop-policy --bench hot_paths -- head 100000
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use ripstop_model::cluster::CircuitLimits;
use ripstop_model::route::{Forward, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy, LoadBalancing, VirtualHost};
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::host::HostSet;
use ripstop_policy::http1::head::HeadRules;
use ripstop_policy::http1::scan::{Scanner, Verdict};
use ripstop_policy::limits::ClusterLimits;
use ripstop_policy::route::{RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;
use ripstop_policy::sanitise::path::PathSteps;

/// A request as browsers send it.
const HEAD: &[u8] = b"GET /service/7/items?page=2 HTTP/1.1\r\nhost: service-42.example.com\r\nuser-agent: Mozilla/5.0 (X11)\r\n\
    accept: text/html,application/json;q=0.9\r\naccept-language: en\r\naccept-encoding: gzip, br\r\ncookie: session=0123456789abcdef\r\n\
    x-request-id: 01234567-89ab-4def-8123-456789abcdef\r\n\r\n";

/// The guard of HTTP/1 looks at a head.
fn head(rounds: u64) {
    let rules = HeadRules {
        max_bytes: 60 * 1024,
        max_fields: 100,
        accept_http_10: false,
        allow_chunked_length: false,
    };
    let mut scanner = Scanner::new(rules);
    for _ in 0..rounds {
        assert_eq!(scanner.take(black_box(HEAD)), Verdict::Pass(HEAD.len()));
    }
}

/// A route is found among 100 virtual hosts of ten routes.
fn route(rounds: u64) {
    let route = |number: usize| {
        let path = PathMatch::Prefix(format!("/service/{number}/").into());
        Route::new(RouteMatch::path(path), RouteAction::Forward(Box::new(Forward::to("c"))))
    };
    let host = |number: usize| {
        let domain = format!("service-{number}.example.com");
        VirtualHost::new(format!("v{number}"), vec![domain.into()], (0..10).map(route).collect())
    };
    let config = RouteConfiguration::new("r", (0..100).map(host).collect());
    let table = RouteTable::compile(&config, &Runtime::default()).unwrap();
    let headers = HeaderMap::new();
    for _ in 0..rounds {
        let head = RequestHead::get("service-42.example.com", "/service/7/items", &headers);
        black_box(table.find(black_box(&head)).unwrap());
    }
}

/// A path gets its one form, which it has already.
fn path(rounds: u64) {
    let steps = PathSteps { normalize: true, merge_slashes: true, ..PathSteps::default() };
    for _ in 0..rounds {
        black_box(steps.decide(black_box("/service/7/items?page=2")));
    }
}

/// A host of ten is picked, and the request is counted until it is over.
fn pick(policy: LbPolicy, rounds: u64) {
    let endpoint = |port| Endpoint::new(Address::socket([10, 0, 0, 1], port));
    let assignment = ClusterLoadAssignment::flat("c", (1..=10).map(endpoint).collect());
    let now = Instant::now();
    let hosts = Arc::new(HostSet::update(None, &assignment, now));
    let mut balancer = Balancer::new(LoadBalancing::new(policy), hosts, None, 3, now);
    let mut dice = fastrand::Rng::with_seed(7);
    for _ in 0..rounds {
        let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut dice) else {
            panic!("no host")
        };
        drop(black_box(entry.host.begin_request()));
    }
}

/// The limits of a cluster give a permit and take it back.
fn permit(rounds: u64) {
    let limits = ClusterLimits::new(&CircuitLimits::default());
    for _ in 0..rounds {
        drop(black_box(limits.try_request().unwrap()));
    }
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (Some(name), Some(rounds)) = (args.next(), args.next().and_then(|rounds| rounds.parse().ok())) else {
        // `cargo bench` without a name: all of them, with their times.
        for name in ["head", "route", "path", "pick", "permit"] {
            let (rounds, begun) = (1_000_000, Instant::now());
            run(name, rounds);
            println!("{name}: {:.1} ns", begun.elapsed().div_f64(rounds as f64).as_secs_f64() * 1e9);
        }
        return;
    };
    run(&name, rounds);
}

fn run(name: &str, rounds: u64) {
    match name {
        "head" => head(rounds),
        "route" => route(rounds),
        "path" => path(rounds),
        "pick" => pick(LbPolicy::LEAST_REQUEST, rounds),
        "permit" => permit(rounds),
        other => panic!("there is no path {other}"),
    }
}
