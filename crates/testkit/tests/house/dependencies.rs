//! What comes in from outside: licences, and how many versions of a thing. `deny.toml` says the same for `cargo deny`, which
//! also looks at packages of other platforms.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::graph::{self, Package};
use crate::{files, report, spdx};

/// Licences that ask for no more than their own text to be kept.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Two versions of one of these in the binary would be two worlds that cannot speak with each other.
const CORE: [&str; 15] = [
    "aws-lc-rs",
    "bytes",
    "h2",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "prost",
    "rustls",
    "rustls-pki-types",
    "tokio",
    "tokio-rustls",
    "tonic",
    "tower-service",
    "tracing",
];

/// Two versions of these are tolerated, and who holds the old one.
const TOLERATED: [(&str, &str); 5] = [
    ("base64", "tonic"),
    ("http", "actix-http, in the example applications only"),
    ("syn", "derive macros, while building only"),
    ("synstructure", "derive macros, while building only"),
    ("untrusted", "aws-lc-rs"),
];

/// Never, in no version: a second TLS stack, or a second set of cryptography.
const BANNED: [&str; 4] = ["ring", "openssl", "openssl-sys", "native-tls"];

#[test]
fn licences_are_among_those_allowed() {
    let allowed = |licence: &str| LICENCES.contains(&licence);
    let mut findings = Vec::new();
    for package in graph::built_for_workspace() {
        match spdx::is_allowed(&package.licence, &allowed) {
            Ok(true) => {}
            Ok(false) => {
                findings.push(format!("{} {}: {}", package.name, package.version, package.licence));
            }
            Err(error) => findings.push(format!("{} {}: {error}", package.name, package.version)),
        }
    }
    report(
        &findings,
        "Choose another library. If the licence is harmless, add it to LICENCES here and to deny.toml.",
    );
}

#[test]
fn there_is_one_tls_and_one_of_each_core_crate() {
    let packages = graph::built_for_binary();
    let mut findings = Vec::new();
    for (name, versions) in versions(&packages) {
        if CORE.contains(&name) && versions.len() > 1 {
            findings.push(format!("{name} comes in {}", versions.join(" and ")));
        }
    }
    let packages = graph::built_for_workspace();
    for banned in packages.iter().filter(|package| BANNED.contains(&package.name.as_str())) {
        findings.push(format!("{} {} is built", banned.name, banned.version));
    }
    report(
        &findings,
        "Find out who wants it with `cargo tree -i NAME@VERSION`, then switch off the feature or bring it up to date.",
    );
}

#[test]
fn duplicates_are_known() {
    let packages = graph::built_for_workspace();
    let several: BTreeMap<&str, Vec<&str>> =
        versions(&packages).into_iter().filter(|(_, versions)| versions.len() > 1).collect();
    let mut findings = Vec::new();
    for (name, versions) in &several {
        if !TOLERATED.iter().any(|(tolerated, _)| tolerated == name) {
            findings.push(format!("{name} comes in {}", versions.join(" and ")));
        }
    }
    for (name, holder) in TOLERATED {
        if !several.contains_key(name) {
            findings
                .push(format!("{name} (because of {holder}) is no longer there twice: take it off the list"));
        }
    }
    report(
        &findings,
        "Bring versions together; where that is for others to do, add to TOLERATED here and to deny.toml.",
    );
}

#[test]
fn deny_toml_says_the_same() {
    let text = fs::read_to_string(files::root().join("deny.toml")).expect("deny.toml is there");
    let named = LICENCES.iter().filter(|licence| !licence.contains(" WITH ")).chain(&BANNED);
    let named = named.copied().chain(TOLERATED.iter().map(|(name, _)| *name));
    let findings: Vec<String> = named
        .filter(|name| !text.contains(&format!("\"{name}\"")))
        .map(|name| format!("{name} is not named"))
        .collect();
    report(&findings, "deny.toml and this file have to agree: change both.");
}

/// The versions of every package, by name.
fn versions(packages: &BTreeSet<Package>) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let known = versions.entry(&package.name).or_default();
        if !known.contains(&package.version.as_str()) {
            known.push(&package.version);
        }
    }
    versions
}
