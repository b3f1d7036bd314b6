//! What a sidecar does all day must not load descriptors, which would take more memory than all else in it. No test in
//! this binary may use the binder or `config_dump`, because these do load them.
#![allow(clippy::unwrap_used)]

use ripstop_model::{
    Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HttpConnectionManager,
    Listener, NetworkFilter, Route, RouteConfiguration, VirtualHost,
    http_manager::RouteSource,
    listener_filter::{ListenerFilter, TlsInspector},
    route::{Forward, RouteAction, RouteMatch},
};
use ripstop_xds::decode::{
    decode_cluster, decode_listener, decode_load_assignment, decode_route_configuration,
};
use ripstop_xds::encode::{
    encode_cluster, encode_listener, encode_load_assignment, encode_route_configuration,
};
use ripstop_xds::{ResourceType, descriptors_loaded, validate};

#[test]
fn resources_are_checked_without_descriptors() {
    let endpoints =
        ClusterLoadAssignment::flat("c", vec![Endpoint::new(Address::socket([127, 0, 0, 1], 80))]);
    assert_eq!(decode_load_assignment(&encode_load_assignment(&endpoints)).unwrap().value, endpoints);
    let cluster = Cluster::new("c", Discovery::Static(endpoints));
    assert_eq!(decode_cluster(&encode_cluster(&cluster)).unwrap().value, cluster);
    let action = RouteAction::Forward(Box::new(Forward::to("c")));
    let route = Route::new(RouteMatch::prefix("/"), action);
    let host = VirtualHost::new("v", vec!["*".into()], vec![route]);
    let routes = RouteConfiguration::new("r", vec![host]);
    assert_eq!(decode_route_configuration(&encode_route_configuration(&routes)).unwrap().value, routes);
    let manager = HttpConnectionManager::new("x", RouteSource::Inline(routes));
    let chain = FilterChain {
        matches: Default::default(),
        ..FilterChain::new(NetworkFilter::Http(Box::new(manager)))
    };
    let listener = Listener {
        direction: Default::default(),
        listener_filters: vec![ListenerFilter::TlsInspector(TlsInspector::default())],
        ..Listener::new("l", Address::socket([127, 0, 0, 1], 80), vec![chain])
    };
    assert_eq!(decode_listener(&encode_listener(&listener)).unwrap().value, listener);

    let problems = decode_cluster(&[]).unwrap_err().problems;
    assert!(problems.iter().any(|problem| problem.path == "name"), "rules are applied: {problems:?}");
    // A number that no field has.
    let odd = [encode_cluster(&cluster), vec![0xc0, 0xbb, 1, 7]].concat();
    let warnings = decode_cluster(&odd).unwrap().warnings;
    assert_eq!(warnings[0].message, "field number 3000 of envoy.config.cluster.v3.Cluster is not known");
    assert_eq!(validate::check(ResourceType::Listener.message_name(), &encode_listener(&listener)), []);
    assert!(!descriptors_loaded());
}
