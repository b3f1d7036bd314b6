//! Puts Envoy's descriptor set into `OUT_DIR`, so that the binder and the validator know every message by name.
//!
//! It comes in two parts: `core.bin` has what a proxy usually meets, `rest.bin` everything else. Decoded descriptors take
//! thirty times their size in memory, and a sidecar should not pay for a thousand messages that it never sees.
//!
//! The set ships inside the `envoy-types` package but is not exported by it, so this finds the package on disk. The
//! comments of the `.proto` files (four fifths of the bytes) are left out; everything else, including the validation
//! rules, is kept byte for byte. No message type is generated here: those come from `envoy-types`.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "envoy-types";
const DESCRIPTOR_SET: &str = "src/generated/types.bin";

/// Files of the core, by the beginning of their names; what they import belongs to it too.
const CORE: [&str; 20] = [
    "envoy/config/bootstrap/v3/",
    "envoy/config/endpoint/v3/",
    "envoy/config/route/v3/",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/extensions/access_loggers/file/v3/",
    "envoy/extensions/access_loggers/stream/v3/",
    "envoy/extensions/filters/http/cors/v3/",
    "envoy/extensions/filters/http/fault/v3/",
    "envoy/extensions/filters/http/jwt_authn/v3/",
    "envoy/extensions/filters/http/local_ratelimit/v3/",
    "envoy/extensions/filters/http/rbac/v3/",
    "envoy/extensions/filters/http/router/v3/",
    "envoy/extensions/filters/listener/original_dst/v3/",
    "envoy/extensions/filters/listener/tls_inspector/v3/",
    "envoy/extensions/filters/network/http_connection_manager/v3/",
    "envoy/extensions/filters/network/rbac/v3/",
    "envoy/extensions/filters/network/tcp_proxy/v3/",
    "envoy/extensions/transport_sockets/raw_buffer/v3/",
    "envoy/extensions/transport_sockets/tls/v3/",
    "envoy/extensions/upstreams/http/v3/",
];

/// `FileDescriptorSet.file`
const SET_FILE: u64 = 1;
/// `FileDescriptorProto.name`
const FILE_NAME: u64 = 1;
/// `FileDescriptorProto.dependency`
const FILE_DEPENDENCY: u64 = 3;
/// `FileDescriptorProto.source_code_info`
const FILE_SOURCE_CODE_INFO: u64 = 9;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let descriptor_set = find_descriptor_set();
    println!("cargo::rerun-if-changed={}", descriptor_set.display());
    let bytes = fs::read(&descriptor_set)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", descriptor_set.display()));
    let files = files_of(&bytes).unwrap_or_else(|| {
        panic!("{} is not an encoded google.protobuf.FileDescriptorSet", descriptor_set.display())
    });
    let core = core_names(&files);
    let (core, rest): (Vec<&File>, Vec<&File>) = files.iter().partition(|file| core.contains(&file.name));
    write("core.bin", &encode_set(&core));
    write("rest.bin", &encode_set(&rest));
}

fn write(name: &str, bytes: &[u8]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    fs::write(&out, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
}

fn find_descriptor_set() -> PathBuf {
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

/// One encoded `FileDescriptorProto`, without its comments.
struct File {
    name: String,
    dependencies: Vec<String>,
    encoded: Vec<u8>,
}

/// The files of an encoded `FileDescriptorSet`; `None` if it is malformed.
fn files_of(set: &[u8]) -> Option<Vec<File>> {
    let mut files = Vec::new();
    for (_, descriptor) in fields(set)?.into_iter().filter(|(number, _)| *number == SET_FILE) {
        let mut file = File { name: String::new(), dependencies: Vec::new(), encoded: Vec::new() };
        for (number, field) in fields(descriptor.payload)? {
            let text = || String::from_utf8(field.payload.to_vec()).ok();
            match number {
                FILE_NAME => file.name = text()?,
                FILE_DEPENDENCY => file.dependencies.push(text()?),
                FILE_SOURCE_CODE_INFO => continue,
                _ => {}
            }
            file.encoded.extend_from_slice(field.whole);
        }
        files.push(file);
    }
    Some(files)
}

/// The names of the files of the core.
fn core_names(files: &[File]) -> HashSet<String> {
    let by_name: HashMap<&str, &File> = files.iter().map(|file| (file.name.as_str(), file)).collect();
    let is_core = |file: &&File| CORE.iter().any(|prefix| file.name.starts_with(prefix));
    let mut waiting: Vec<&File> = files.iter().filter(is_core).collect();
    let mut core = HashSet::new();
    while let Some(file) = waiting.pop() {
        if core.insert(file.name.clone()) {
            waiting.extend(file.dependencies.iter().filter_map(|name| by_name.get(name.as_str())));
        }
    }
    core
}

fn encode_set(files: &[&File]) -> Vec<u8> {
    let mut set = Vec::new();
    for file in files {
        set.push(0x0a); // field 1, length-delimited
        put_varint(&mut set, file.encoded.len() as u64);
        set.extend_from_slice(&file.encoded);
    }
    set
}

/// One field of an encoded message: all of its bytes, and its payload if it is length-delimited.
struct Field<'a> {
    whole: &'a [u8],
    payload: &'a [u8],
}

fn fields(message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let tag = take_varint(message, &mut at)?;
        let mut payload = start..start;
        match tag & 7 {
            0 => {
                take_varint(message, &mut at)?;
            }
            1 => at += 8,
            2 => {
                let length = usize::try_from(take_varint(message, &mut at)?).ok()?;
                payload = at..at.checked_add(length)?;
                at = payload.end;
            }
            5 => at += 4,
            _ => return None,
        }
        fields.push((tag >> 3, Field { whole: message.get(start..at)?, payload: message.get(payload)? }));
    }
    Some(fields)
}

fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
