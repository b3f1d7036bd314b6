//! Every example in the repository loads.

use std::path::PathBuf;

use ripstop_control::source::load;
use ripstop_control::translate::{ProxyRef, translate};
use ripstop_model::TrustDomain;

use crate::support::{lines, repository};

#[test]
fn the_shop_loads_without_a_warning_and_every_proxy_has_a_whole_configuration() {
    let (world, warnings) = load(&[repository().join("examples/shop/mesh")])
        .unwrap_or_else(|p| panic!("{}", lines(&p).join("\n")));
    assert_eq!(lines(&warnings), Vec::<String>::new());
    assert_eq!(world.mesh().trust_domain, TrustDomain::new("cluster.local").unwrap());
    assert_eq!(world.instances().count(), 6);
    for instance in world.instances() {
        let key = instance.key();
        let (snapshot, warnings) =
            translate(&world, &ProxyRef::new(key.namespace.clone(), key.name.clone())).unwrap();
        assert_eq!(snapshot.dangling(), Vec::<String>::new(), "{key}");
        assert_eq!(lines(&warnings), Vec::<String>::new(), "{key}");
        assert!(!snapshot.listeners.is_empty(), "{key}");
    }
    let user = world.instance(&ripstop_control::resource::ObjectKey::new("default", "user-1")).unwrap();
    assert_eq!(user.identity.as_str(), "spiffe://cluster.local/ns/default/sa/user-service");
}

/// They are Istio's own; what they refer to is not there, which is only worth a warning.
#[test]
fn istio_documents_load_unchanged_one_by_one_and_together() {
    let directory = repository().join("examples/istio");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files.push(directory);
    for path in files {
        let (world, warnings) =
            load(std::slice::from_ref(&path)).unwrap_or_else(|p| panic!("{}", lines(&p).join("\n")));
        assert!(!world.virtual_services().is_empty() || !world.destination_rules().is_empty());
        for warning in &warnings {
            assert!(["unknown-host", "not-in-force"].contains(&warning.code.unwrap()), "{warning}");
        }
    }
}

/// As somebody wrote it for another mesh, to the letter.
#[test]
fn a_mesh_config_loads_unchanged_and_its_services_are_reached_through_its_gateway() {
    let file = repository().join("examples/mesh-config/mesh-config.yml");
    let (world, warnings) =
        load(std::slice::from_ref(&file)).unwrap_or_else(|p| panic!("{}", lines(&p).join("\n")));
    let names: Vec<&str> = world.services().map(|service| &**service.meta.name()).collect();
    assert_eq!(names, ["order-service", "product-service", "user-service"]);
    assert_eq!(world.instances().count(), 7);
    for warning in &warnings {
        assert_eq!(warning.code, Some("not-in-force"), "{warning}");
        assert!(warning.line > 0, "{warning}");
    }
    let (snapshot, _) = translate(&world, &ProxyRef::new("default", "gateway")).unwrap();
    let endpoints: Vec<String> = snapshot.endpoints["outbound|80||user-service.default.svc.cluster.local"]
        .endpoints()
        .map(|endpoint| endpoint.address.to_string())
        .collect();
    assert_eq!(endpoints, ["127.0.0.1:8001", "127.0.0.1:8011"]);
    // What is expanded reads as the same documents.
    let text = std::fs::read_to_string(&file).unwrap();
    let source = ripstop_yaml::Source::new("mesh-config.yml", text);
    let document = &ripstop_yaml::parse(&source).unwrap()[0];
    let (expanded, _) = ripstop_control::mesh_config::expand(document, &source);
    let again = crate::support::world(&ripstop_yaml::write(&expanded));
    assert_eq!(again.instances().count(), world.instances().count());
    let (other, _) = translate(&again, &ProxyRef::new("default", "gateway")).unwrap();
    assert_eq!(other, snapshot);
}

#[test]
fn files_are_read_in_order_and_hidden_ones_are_not() {
    let directory = std::env::temp_dir().join(format!("ripstop-files-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("sub")).unwrap();
    std::fs::create_dir_all(directory.join(".git")).unwrap();
    for name in ["b.yml", "a.yaml", "sub/c.json", ".git/d.yaml", ".e.yaml", "notes.txt"] {
        std::fs::write(directory.join(name), "").unwrap();
    }
    let twice = [directory.clone(), directory.join("a.yaml")];
    let sources = ripstop_control::source::read(&twice).unwrap();
    let names: Vec<&str> =
        sources.iter().map(|source| &source.name()[directory.to_str().unwrap().len()..]).collect();
    assert_eq!(names, ["/a.yaml", "/b.yml", "/sub/c.json"]);
    let missing = ripstop_control::source::read(&[directory.join("none")]).unwrap_err();
    assert!(missing[0].to_string().contains("none: this cannot be read"), "{}", missing[0]);
    std::fs::remove_dir_all(directory).unwrap();
}
