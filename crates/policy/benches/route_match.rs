//! What it costs to find the route of a request: nanoseconds a match, by the number of virtual hosts.
//!
//!     cargo bench -p ripstop-policy --bench route_match
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use http::HeaderMap;
use ripstop_model::VirtualHost;
use ripstop_model::route::{Forward, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch};
use ripstop_policy::route::{RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;

/// Routes of each virtual host.
const ROUTES: usize = 10;
/// Matches that are timed.
const MATCHES: usize = 1_000_000;

/// Nine prefixes and, last of all, everything.
fn virtual_host(number: usize) -> VirtualHost {
    let forward = || RouteAction::Forward(Box::new(Forward::to("c")));
    let mut routes: Vec<Route> = (1..ROUTES)
        .map(|route| {
            Route::new(RouteMatch::path(PathMatch::Prefix(format!("/service/{route}/").into())), forward())
        })
        .collect();
    routes.push(Route::new(RouteMatch::prefix("/"), forward()));
    VirtualHost::new(format!("v{number}"), vec![domain(number).into()], routes)
}

/// Most are exact, as they are in practice; some begin or end with an asterisk.
fn domain(number: usize) -> String {
    match number % 10 {
        0 => format!("*.suffix-{number}.example.com"),
        1 => format!("prefix-{number}.*"),
        _ => format!("host-{number}.example.com"),
    }
}

fn authority(number: usize) -> String {
    domain(number).replace('*', "any")
}

fn main() {
    for hosts in [10, 1_000, 10_000] {
        let config = RouteConfiguration::new("r", (0..hosts).map(virtual_host).collect());
        let started = Instant::now();
        let table = RouteTable::compile(&config, &Runtime::default()).unwrap();
        let compiled = started.elapsed();
        let headers = HeaderMap::new();
        let mut dice = fastrand::Rng::with_seed(1);
        // Asked for in an order that is no order, so that nothing is in a cache only because it was next to it.
        let asked: Vec<(String, String)> = (0..4096)
            .map(|_| (authority(dice.usize(0..hosts)), format!("/service/{}/x", dice.usize(1..=ROUTES))))
            .collect();
        let started = Instant::now();
        for round in 0..MATCHES {
            let (authority, path) = &asked[round % asked.len()];
            black_box(table.find(&RequestHead::get(authority, path, &headers)).unwrap());
        }
        let each = started.elapsed().as_nanos() / MATCHES as u128;
        println!(
            "{hosts:>6} virtual hosts x {ROUTES} routes: {each:>4} ns a match, compiled in {compiled:.1?}"
        );
    }
}
