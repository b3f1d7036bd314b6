//! What a translation means: requests pushed through the decisions that proxies take.

use std::collections::BTreeMap;

use http::HeaderMap;
use ripstop_control::source::load;
use ripstop_control::world::World;
use ripstop_model::Snapshot;
use ripstop_model::route::{ClusterChoice, RouteAction};
use ripstop_policy::rewrite::PathRewriter;
use ripstop_policy::route::{RequestHead, RouteTable};
use ripstop_policy::runtime::Runtime;

use crate::support::{repository, snapshot};

struct Call<'a> {
    authority: &'a str,
    path: &'a str,
}

/// The path that is sent, and the clusters with their weights; or the status that is answered.
fn outcome(
    snapshot: &Snapshot,
    config: &str,
    call: &Call<'_>,
) -> Result<(String, BTreeMap<String, u32>), u16> {
    let config = &snapshot.routes[config];
    let table = RouteTable::compile(config, &Runtime::default()).unwrap();
    let headers = HeaderMap::new();
    let head = RequestHead::get(call.authority, call.path, &headers);
    let found = table.find(&head).map_err(|_| 404u16)?;
    let route = &config.virtual_hosts[found.virtual_host].routes[found.route];
    let forward = match &route.action {
        RouteAction::DirectResponse(answer) => return Err(answer.status),
        RouteAction::Forward(forward) => forward,
        other => panic!("the control plane makes no {other:?}"),
    };
    let path = match &forward.rewrite {
        Some(rewrite) => {
            let rewriter = PathRewriter::compile(&route.matches.path, rewrite).unwrap();
            rewriter.rewrite(call.path).unwrap()
        }
        None => call.path.to_owned(),
    };
    let shares = match &forward.cluster {
        ClusterChoice::Single(name) => BTreeMap::from([(name.to_string(), 100)]),
        ClusterChoice::Header(_) => BTreeMap::new(),
        ClusterChoice::Weighted(split) => {
            split.shares.iter().map(|share| (share.name.to_string(), share.weight)).collect()
        }
    };
    Ok((path, shares))
}

fn shop() -> World {
    load(&[repository().join("examples/shop/mesh")]).unwrap().0
}

#[test]
fn requests_to_the_shop_go_where_its_documents_say() {
    let world = shop();
    let gateway = snapshot(&world, "ingress");
    let at_edge = |path| outcome(&gateway, "http.10000", &Call { authority: "127.0.0.1:10000", path });
    let only = |name: &str| BTreeMap::from([(name.to_owned(), 100)]);
    let products = BTreeMap::from([
        ("outbound|8082|v1|product-service.default.svc.cluster.local".to_owned(), 90),
        ("outbound|8082|v2|product-service.default.svc.cluster.local".to_owned(), 10),
    ]);
    let users = only("outbound|8081||user-service.default.svc.cluster.local");
    let rest = only("outbound|8080||gateway-service.default.svc.cluster.local");
    assert_eq!(at_edge("/api/users/7"), Ok(("/users/7".to_owned(), users.clone())));
    assert_eq!(at_edge("/api/products"), Ok(("/products".to_owned(), products.clone())));
    assert_eq!(at_edge("/health"), Ok(("/health".to_owned(), rest)));

    let sidecar = snapshot(&world, "gateway-1");
    let local = |config: &str, authority| outcome(&sidecar, config, &Call { authority, path: "/users" });
    assert_eq!(
        local("upstream|user-service.default.svc.cluster.local|8081", "127.0.0.1:15201"),
        Ok(("/users".to_owned(), users.clone()))
    );
    for host in ["user-service", "user-service:8081", "USER-SERVICE.default"] {
        assert_eq!(local("outbound", host), Ok(("/users".to_owned(), users.clone())), "{host}");
    }
    assert_eq!(local("outbound", "product-service:8082"), Ok(("/users".to_owned(), products)));
    assert_eq!(local("outbound", "www.example.org"), Err(502));
    assert_eq!(local("outbound", "user-service:9"), Err(502));
}
