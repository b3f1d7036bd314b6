//! Which crate may use which. ARCHITECTURE.md says why.

use std::collections::BTreeSet;

use crate::graph::{self, For};
use crate::report;

/// A crate of the product.
struct Room {
    name: &'static str,
    /// It may use rooms of lower layers only.
    layer: u8,
    /// Ours.
    may_use: &'static [&'static str],
    /// Others', beyond what [`RESERVED`] keeps away from it.
    must_not_use: &'static [&'static str],
}

const ASYNC: &[&str] =
    &["tokio", "tokio-stream", "futures-util", "hyper", "hyper-util", "tonic", "tokio-rustls"];

const ROOMS: &[Room] = &[
    Room {
        name: "ripstop-yaml",
        layer: 0,
        may_use: &[],
        must_not_use: &["serde", "serde_json", "http", "fastrand", "tracing", "thiserror"],
    },
    Room {
        name: "ripstop-model",
        layer: 0,
        may_use: &[],
        must_not_use: &["http", "fastrand", "rand", "tracing", "serde", "serde_json", "bytes"],
    },
    Room {
        name: "ripstop-policy",
        layer: 1,
        may_use: &["ripstop-model"],
        must_not_use: &["tracing", "bytes", "serde_json"],
    },
    Room {
        name: "ripstop-xds",
        layer: 2,
        may_use: &["ripstop-model", "ripstop-yaml"],
        must_not_use: &["hyper"],
    },
    Room {
        name: "ripstop-identity",
        layer: 2,
        may_use: &["ripstop-model", "ripstop-policy"],
        must_not_use: &["hyper"],
    },
    Room { name: "ripstop-runtime", layer: 2, may_use: &[], must_not_use: &["tonic"] },
    Room {
        name: "ripstop-proxy",
        layer: 3,
        may_use: &["ripstop-model", "ripstop-policy", "ripstop-xds", "ripstop-identity", "ripstop-runtime"],
        must_not_use: &[],
    },
    Room {
        name: "ripstop-control",
        layer: 3,
        may_use: &[
            "ripstop-yaml",
            "ripstop-model",
            "ripstop-policy",
            "ripstop-xds",
            "ripstop-identity",
            "ripstop-runtime",
        ],
        must_not_use: &[],
    },
    Room {
        name: "ripstop-client",
        layer: 3,
        may_use: &["ripstop-model", "ripstop-policy", "ripstop-xds", "ripstop-identity"],
        must_not_use: &[],
    },
    Room {
        name: "ripstop",
        layer: 4,
        may_use: &[
            "ripstop-yaml",
            "ripstop-model",
            "ripstop-policy",
            "ripstop-xds",
            "ripstop-identity",
            "ripstop-runtime",
            "ripstop-proxy",
            "ripstop-control",
            "ripstop-client",
        ],
        must_not_use: &["tonic", "tracing"],
    },
];

/// Libraries that belong to some rooms: nobody else may name them in a manifest. Tests
/// and the crates for tests may.
const RESERVED: &[(&str, &[&str])] = &[
    // The wire stops in xds; identity has the two messages of the certificate service.
    ("envoy-types", &["ripstop-xds"]),
    ("prost-reflect", &["ripstop-xds"]),
    ("prost", &["ripstop-xds", "ripstop-identity"]),
    ("tonic-prost", &["ripstop-identity"]),
    // Certificates are made and judged in one place.
    ("rcgen", &["ripstop-identity"]),
    ("x509-parser", &["ripstop-identity"]),
    ("rustls-webpki", &["ripstop-identity"]),
    ("aws-lc-rs", &["ripstop-identity"]),
    ("rustls", &["ripstop-identity", "ripstop-proxy", "ripstop-control"]),
    ("tokio-rustls", &["ripstop-identity", "ripstop-proxy", "ripstop-control"]),
    // Text is parsed in one place.
    ("granit-parser", &["ripstop-yaml"]),
    ("annotate-snippets", &["ripstop-yaml"]),
    ("clap", &["ripstop"]),
    ("clap_complete", &["ripstop"]),
    ("redb", &["ripstop-control"]),
    ("mimalloc", &["ripstop"]),
    ("axum", &["ripstop-control"]),
    ("notify", &["ripstop-control", "ripstop-runtime"]),
    ("actix-web", &["ripstop-shop"]),
    ("reqwest", &["ripstop-shop"]),
    // No room at all.
    ("kube", &[]),
    ("k8s-openapi", &[]),
    ("anyhow", &[]),
    ("openssl", &[]),
    ("ring", &[]),
];

/// Outside the layers: for tests only, never part of what is shipped.
const TEST_CRATES: [&str; 3] = ["ripstop-testkit", "ripstop-e2e", "ripstop-bench"];

#[test]
fn the_table_of_rooms_points_down() {
    for room in ROOMS {
        for used in room.may_use {
            let other = ROOMS.iter().find(|other| other.name == *used).expect("a room of the table");
            assert!(other.layer < room.layer, "{} may not use {used}: sideways or up", room.name);
        }
    }
}

#[test]
fn every_crate_keeps_to_its_room() {
    let members = graph::members();
    let ours: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    let mut findings = Vec::new();
    for room in ROOMS {
        let member = members.get(room.name).unwrap_or_else(|| panic!("there is no crate {}", room.name));
        let pure = room.layer < 2;
        for (name, purpose) in &member.dependencies {
            let name = name.as_str();
            let wrong = if ours.contains(name) {
                let for_tests = *purpose == For::Tests && TEST_CRATES.contains(&name);
                !room.may_use.contains(&name) && !for_tests
            } else {
                let barred = room.must_not_use.contains(&name) || (pure && ASYNC.contains(&name));
                barred && *purpose != For::Tests
            };
            if wrong {
                findings.push(format!("{} depends on {name}", room.name));
            }
        }
    }
    report(
        &findings,
        "Dependencies point down: see the table of rooms in ARCHITECTURE.md. Move the code to the room that may use the \
         crate, or hand the value over through ripstop-model.",
    );
}

#[test]
fn nobody_outside_the_table_is_part_of_the_product() {
    let outside = ["ripstop-testkit", "ripstop-e2e", "ripstop-bench", "ripstop-shop"];
    let mut findings = Vec::new();
    for (name, member) in graph::members() {
        let known = outside.contains(&name.as_str()) || ROOMS.iter().any(|room| room.name == name);
        if !known {
            findings
                .push(format!("{name} is in no table: add it to ROOMS in this file and to ARCHITECTURE.md"));
        }
        let uses_ours = member.dependencies.iter().any(|(used, _)| used.starts_with("ripstop"));
        if name == "ripstop-shop" && uses_ours {
            findings
                .push("ripstop-shop uses a crate of the mesh: applications know nothing of it".to_owned());
        }
    }
    report(&findings, "See the table of rooms in ARCHITECTURE.md.");
}

#[test]
fn libraries_stay_in_their_rooms() {
    let mut findings = Vec::new();
    let members = graph::members().into_iter().filter(|(name, _)| !TEST_CRATES.contains(&name.as_str()));
    for (name, member) in members {
        for (library, rooms) in RESERVED {
            let used = [For::Use, For::Build];
            let used =
                used.iter().any(|purpose| member.dependencies.contains(&((*library).to_owned(), *purpose)));
            if used && !rooms.contains(&name.as_str()) {
                findings.push(format!("{name} depends on {library}, which is for {rooms:?} alone"));
            }
        }
    }
    report(
        &findings,
        "Ask the room that has the library for what you need. If the wall itself is wrong, change RESERVED in this file and \
         write a decision in docs/decisions.",
    );
}
