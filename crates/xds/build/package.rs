//! Where cargo keeps the package that Envoy's descriptor set ships in.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "envoy-types";
const DESCRIPTOR_SET: &str = "src/generated/types.bin";

/// The file with the descriptor set.
pub fn find_descriptor_set() -> PathBuf {
    let by_metadata = package_by_metadata();
    if let Ok(path) = &by_metadata
        && path.join(DESCRIPTOR_SET).is_file()
    {
        return path.join(DESCRIPTOR_SET);
    }
    let by_registry = package_in_registry();
    if let Ok(path) = &by_registry
        && path.join(DESCRIPTOR_SET).is_file()
    {
        return path.join(DESCRIPTOR_SET);
    }
    panic!(
        "the descriptor set of Envoy's API was not found.\n\
         It is the file {DESCRIPTOR_SET} of the package {PACKAGE}, which cargo has downloaded or vendored.\n\
         - asked `cargo metadata`: {by_metadata:?}\n\
         - looked into the registry: {by_registry:?}\n\
         Run `cargo fetch` and build again; if the package no longer ships that file, see docs/decisions/0001."
    );
}

/// Asks cargo where the package lies; works for registries, vendored sources and path dependencies alike.
fn package_by_metadata() -> Result<PathBuf, String> {
    let manifest = manifest_dir().join("Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(manifest);
    if let Ok(target) = env::var("TARGET") {
        command.args(["--filter-platform", &target]);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("no packages in the answer")?;
    let package = packages.iter().find(|package| package["name"] == PACKAGE);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let directory = manifest.and_then(|manifest| Path::new(manifest).parent());
    directory.map(Path::to_path_buf).ok_or_else(|| format!("{PACKAGE} is not among the packages"))
}

/// The locked version in cargo's registry, for cases in which metadata needs packages that were never downloaded.
fn package_in_registry() -> Result<PathBuf, String> {
    let lock = manifest_dir()
        .ancestors()
        .find_map(|directory| fs::read_to_string(directory.join("Cargo.lock")).ok())
        .ok_or("no Cargo.lock above the package")?;
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{PACKAGE}\""));
    let version = lines
        .nth(1)
        .and_then(|line| line.strip_prefix("version = \""))
        .map(|line| line.trim_end_matches('"'))
        .ok_or_else(|| format!("{PACKAGE} is not in Cargo.lock"))?;
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    let sources = home.join("registry").join("src");
    fs::read_dir(&sources)
        .map_err(|error| format!("{}: {error}", sources.display()))?
        .filter_map(Result::ok)
        .map(|registry| registry.path().join(format!("{PACKAGE}-{version}")))
        .find(|package| package.is_dir())
        .ok_or_else(|| format!("no {PACKAGE}-{version} below {}", sources.display()))
}

fn manifest_dir() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
}
