//! What is translated can be sent: no proxy has a reason to refuse it, and it arrives as it was made.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ripstop_control::translate::{ProxyRef, translate};
use ripstop_control::world::World;
use ripstop_model::Snapshot;
use ripstop_policy::route::RouteTable;
use ripstop_policy::runtime::Runtime;
use ripstop_xds::decode::{
    Decoded, Rejection, decode_cluster, decode_listener, decode_load_assignment, decode_route_configuration,
};
use ripstop_xds::encode::{
    encode_cluster, encode_listener, encode_load_assignment, encode_route_configuration,
};
use ripstop_xds::{ResourceType, validate};

use crate::support::{build, repository};

/// The documents of every golden case and of the shop.
fn inputs() -> Vec<String> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = fs::read_dir(golden).unwrap().map(|case| case.unwrap().path().join("in.yaml"));
    let mut inputs: Vec<String> = cases.map(|path| fs::read_to_string(path).unwrap()).collect();
    let shop = ["mesh.yaml", "traffic.yaml"].map(|name| repository().join("examples/shop/mesh").join(name));
    inputs.push(shop.map(|path| fs::read_to_string(path).unwrap()).join("\n---\n"));
    inputs
}

fn snapshots(world: &World) -> impl Iterator<Item = Snapshot> {
    world.instances().filter(|instance| instance.workload.has_proxy()).map(|instance| {
        let key = instance.key();
        translate(world, &ProxyRef::new(key.namespace.clone(), key.name.clone())).unwrap().0
    })
}

fn travels<'a, T: Debug + PartialEq + 'a>(
    kind: ResourceType,
    resources: impl Iterator<Item = &'a Arc<T>>,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<Decoded<T>, Rejection>,
) {
    for resource in resources {
        let bytes = encode(resource);
        assert_eq!(validate::check(kind.message_name(), &bytes), [], "{resource:#?}");
        let arrived = decode(&bytes).unwrap_or_else(|rejection| panic!("{rejection}\n{resource:#?}"));
        // What somebody has asked for in so many words (`insecureSkipVerify`) may be remarked upon.
        let mut warnings = arrived.warnings;
        warnings.retain(|warning| !warning.to_string().contains("the server is not verified"));
        assert!(warnings.is_empty(), "{warnings:?} {resource:#?}");
        assert_eq!(arrived.value, **resource);
    }
}

#[test]
fn every_resource_keeps_envoys_rules_and_arrives_as_it_was_sent() {
    for input in inputs() {
        let (world, _) = build(&input).unwrap();
        for snapshot in snapshots(&world) {
            travels(ResourceType::Listener, snapshot.listeners.values(), encode_listener, decode_listener);
            travels(
                ResourceType::Route,
                snapshot.routes.values(),
                encode_route_configuration,
                decode_route_configuration,
            );
            travels(ResourceType::Cluster, snapshot.clusters.values(), encode_cluster, decode_cluster);
            travels(
                ResourceType::Endpoint,
                snapshot.endpoints.values(),
                encode_load_assignment,
                decode_load_assignment,
            );
        }
    }
}

/// A line may be missing from a document that is just being written.
#[test]
fn documents_with_any_line_missing_are_answered_or_give_whole_configurations() {
    let (mut good, mut refused) = (0, 0);
    for input in inputs() {
        let lines: Vec<&str> = input.lines().collect();
        for missing in 0..lines.len() {
            let text = [&lines[..missing], &lines[missing + 1..]].concat().join("\n");
            match build(&text) {
                Err(problems) => {
                    assert!(!problems.is_empty());
                    refused += 1;
                }
                Ok((world, _)) => {
                    for snapshot in snapshots(&world) {
                        assert_eq!(snapshot.dangling(), Vec::<String>::new(), "{text}");
                        for routes in snapshot.routes.values() {
                            RouteTable::compile(routes, &Runtime::default())
                                .unwrap_or_else(|error| panic!("{error}\n{text}"));
                        }
                    }
                    good += 1;
                }
            }
        }
    }
    assert!(good > 100 && refused > 100, "{good} good, {refused} refused");
}
