//! What cargo knows of dependencies: those that a manifest names, and those that are built on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::files::root;

/// For what a dependency is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum For {
    /// The library or binary itself.
    Use,
    /// Its build script.
    Build,
    /// Its tests.
    Tests,
}

/// A crate of the workspace with the dependencies that its manifest names.
pub struct Member {
    /// Name of the package.
    pub name: String,
    /// Name of the dependency's package, and for what it is there.
    pub dependencies: BTreeSet<(String, For)>,
}

/// A package that is built on this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression; empty if it names none.
    pub licence: String,
}

/// All crates of the workspace, by name.
pub fn members() -> BTreeMap<String, Member> {
    let text = cargo(&["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(member).map(|member| (member.name.clone(), member)).collect()
}

fn member(package: &Value) -> Member {
    let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
    let dependencies = dependencies.map(|dependency| {
        let purpose = match dependency["kind"].as_str() {
            Some("dev") => For::Tests,
            Some("build") => For::Build,
            _ => For::Use,
        };
        (dependency["name"].as_str().expect("a dependency has a name").to_owned(), purpose)
    });
    let name = package["name"].as_str().expect("a package has a name").to_owned();
    Member { name, dependencies: dependencies.collect() }
}

/// Everything that is built for the whole workspace, tests included.
pub fn built_for_workspace() -> BTreeSet<Package> {
    built(&["--workspace"])
}

/// Everything that is built for the binary `ripstop`.
pub fn built_for_binary() -> BTreeSet<Package> {
    built(&["--package=ripstop", "--edges=normal,build"])
}

/// `cargo metadata` lists packages that are only behind features nobody has switched on; `cargo tree` does not.
fn built(of: &[&str]) -> BTreeSet<Package> {
    let args = ["tree", "--offline", "--prefix=none", "--no-dedupe", "--format={p}|{l}"];
    let text = cargo(&[&args, of].concat());
    let packages: BTreeSet<Package> = text.lines().filter(|line| !line.is_empty()).map(package).collect();
    assert!(packages.len() > 50, "cargo tree shows only {} packages", packages.len());
    packages
}

/// `name v1.2.3 (proc-macro)|MIT`.
fn package(line: &str) -> Package {
    let (package, licence) = line.split_once('|').expect("the format asks for it");
    let mut words = package.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (name, version) = (word(), word());
    let version = version.trim_start_matches('v').to_owned();
    Package { name, version, licence: licence.to_owned() }
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {} failed:\n{errors}", args.join(" "));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
