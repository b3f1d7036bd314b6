//! Size must not change what is decided: ten thousand virtual hosts, a hundred thousand endpoints.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use ripstop_model::route::{Forward, Route, RouteAction, RouteConfiguration, RouteMatch};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy, LoadBalancing, VirtualHost};
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::host::HostSet;
use ripstop_policy::route::{RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;

fn virtual_host(n: usize) -> VirtualHost {
    let domain = match n % 4 {
        0 => format!("*.suffix-{n}.example.com"),
        1 => format!("prefix-{n}.*"),
        _ => format!("host-{n}.example.com"),
    };
    VirtualHost::new(
        format!("v{n}"),
        vec![domain.into()],
        vec![Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(Forward::to("c"))))],
    )
}

#[test]
fn ten_thousand_virtual_hosts_are_told_apart() {
    let virtual_hosts = (0..10_000).map(virtual_host).collect();
    let config = RouteConfiguration::new("r", virtual_hosts);
    let table = RouteTable::compile(&config, &Runtime::default()).expect("the domains differ");
    assert_eq!(table.len(), 10_000);
    let headers = HeaderMap::new();
    for n in 0..10_000 {
        let authority = match n % 4 {
            0 => format!("any.Suffix-{n}.example.com"),
            1 => format!("prefix-{n}.anything"),
            _ => format!("HOST-{n}.example.com"),
        };
        let head = RequestHead::get(&authority, "/", &headers);
        assert_eq!(table.find(&head).map(|found| (found.virtual_host, found.index)), Ok((n, n)));
    }
}

#[test]
fn a_hundred_thousand_endpoints_all_get_their_turn() {
    let endpoint = |n: u32| Endpoint::new(Address::socket(std::net::Ipv4Addr::from(0x0a00_0000 + n), 80));
    let endpoints = (0..100_000).map(endpoint).collect();
    let set = Arc::new(HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now()));
    let mut balancer =
        Balancer::new(LoadBalancing::new(LbPolicy::RoundRobin), Arc::clone(&set), None, 1, Instant::now());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut picked = BTreeSet::new();
    for _ in 0..100_000 {
        let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(Instant::now()), &mut rng) else {
            panic!("no host")
        };
        picked.insert(entry.index);
    }
    assert_eq!(picked.len(), 100_000);
}
