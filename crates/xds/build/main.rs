//! Puts Envoy's descriptor set into `OUT_DIR`, so that the binder and the validator know every message by name.
//!
//! It comes in two parts: `core.bin` has what a proxy usually meets, `rest.bin` everything else. Decoded descriptors take
//! thirty times their size in memory, and a command should not pay for a thousand messages that it never sees. Beside
//! them lies `schema.bin`, by which single messages are looked up in the two without decoding anything.
//!
//! The set ships inside the `envoy-types` package but is not exported by it, so this finds the package on disk. The
//! comments of the `.proto` files (four fifths of the bytes) are left out; everything else, including the validation
//! rules, is kept byte for byte. No message type is generated here: those come from `envoy-types`.

mod package;
mod protobuf;
mod schema;

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::path::PathBuf;

use protobuf::{fields, put_bytes, put_number};

/// Files of the core, by the beginning of their names; what they import belongs to it too.
const CORE: &[&str] = &[
    "envoy/config/bootstrap/v3/",
    "envoy/config/endpoint/v3/",
    "envoy/config/route/v3/",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/service/runtime/v3/",
    "envoy/extensions/access_loggers/file/v3/",
    "envoy/extensions/access_loggers/stream/v3/",
    "envoy/extensions/filters/http/cors/v3/",
    "envoy/extensions/filters/http/fault/v3/",
    "envoy/extensions/filters/http/grpc_stats/v3/",
    "envoy/extensions/filters/http/jwt_authn/v3/",
    "envoy/extensions/filters/http/local_ratelimit/v3/",
    "envoy/extensions/filters/http/rbac/v3/",
    "envoy/extensions/filters/http/router/v3/",
    "envoy/extensions/filters/http/stateful_session/v3/",
    "envoy/extensions/filters/listener/http_inspector/v3/",
    "envoy/extensions/filters/listener/original_dst/v3/",
    "envoy/extensions/filters/listener/proxy_protocol/v3/",
    "envoy/extensions/filters/listener/tls_inspector/v3/",
    "envoy/extensions/filters/network/connection_limit/v3/",
    "envoy/extensions/filters/network/direct_response/v3/",
    "envoy/extensions/filters/network/echo/v3/",
    "envoy/extensions/filters/network/http_connection_manager/v3/",
    "envoy/extensions/filters/network/local_ratelimit/v3/",
    "envoy/extensions/filters/network/rbac/v3/",
    "envoy/extensions/filters/network/sni_cluster/v3/",
    "envoy/extensions/filters/network/tcp_proxy/v3/",
    "envoy/extensions/http/stateful_session/cookie/v3/",
    "envoy/extensions/http/stateful_session/header/v3/",
    "envoy/extensions/path/match/uri_template/v3/",
    "envoy/extensions/path/rewrite/uri_template/v3/",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/",
    "envoy/extensions/transport_sockets/raw_buffer/v3/",
    "envoy/extensions/transport_sockets/tls/v3/",
    "envoy/extensions/upstreams/http/v3/",
];

/// `FileDescriptorSet.file`
const SET_FILE: u64 = 1;
/// `FileDescriptorProto.name`
const FILE_NAME: u64 = 1;
/// `FileDescriptorProto.package`
const FILE_PACKAGE: u64 = 2;
/// `FileDescriptorProto.dependency`
const FILE_DEPENDENCY: u64 = 3;
/// `FileDescriptorProto.message_type`
const FILE_MESSAGE: u64 = 4;
/// `FileDescriptorProto.source_code_info`
const FILE_SOURCE_CODE_INFO: u64 = 9;
/// `FileDescriptorProto.syntax`
const FILE_SYNTAX: u64 = 12;

fn main() {
    println!("cargo::rerun-if-changed=build");
    let descriptor_set = package::find_descriptor_set();
    println!("cargo::rerun-if-changed={}", descriptor_set.display());
    let bytes = fs::read(&descriptor_set)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", descriptor_set.display()));
    let mut files = files_of(&bytes).unwrap_or_else(|| {
        panic!("{} is not an encoded google.protobuf.FileDescriptorSet", descriptor_set.display())
    });
    let mut core = core_names(&files);
    for package in ["xds.type.v3", "udpa.type.v1"] {
        let file = typed_struct(package);
        core.insert(file.name.clone());
        files.push(file);
    }
    let (core, rest): (Vec<&File>, Vec<&File>) = files.iter().partition(|file| core.contains(&file.name));
    let (core, rest) = (encode_set(&core), encode_set(&rest));
    // One set behind the other is again a set.
    let schema = schema::index(&[core.as_slice(), rest.as_slice()].concat());
    write("core.bin", &core);
    write("rest.bin", &rest);
    write("schema.bin", &schema.expect("what was taken apart a moment ago is well-formed"));
}

fn write(name: &str, bytes: &[u8]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    fs::write(&out, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
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
            match number {
                FILE_NAME => file.name = field.text()?,
                FILE_DEPENDENCY => file.dependencies.push(field.text()?),
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

/// `TypedStruct`, which `envoy-types` lacks: a configuration as a `Struct`, with the type that it stands for.
fn typed_struct(package: &str) -> File {
    let name = format!("{}/typed_struct.proto", package.replace('.', "/"));
    let dependency = "google/protobuf/struct.proto".to_owned();
    let field = |name: &str, number, kind, type_name: Option<&str>| {
        let mut field = Vec::new();
        put_bytes(&mut field, schema::FIELD_NAME, name.as_bytes());
        put_number(&mut field, schema::FIELD_NUMBER, number);
        put_number(&mut field, schema::FIELD_LABEL, schema::LABEL_OPTIONAL);
        put_number(&mut field, schema::FIELD_TYPE, kind);
        if let Some(type_name) = type_name {
            put_bytes(&mut field, schema::FIELD_TYPE_NAME, type_name.as_bytes());
        }
        field
    };
    let mut message = Vec::new();
    put_bytes(&mut message, schema::MESSAGE_NAME, b"TypedStruct");
    let url = field("type_url", 1, schema::TYPE_STRING, None);
    let value = field("value", 2, schema::TYPE_MESSAGE, Some(".google.protobuf.Struct"));
    put_bytes(&mut message, schema::MESSAGE_FIELD, &url);
    put_bytes(&mut message, schema::MESSAGE_FIELD, &value);
    let mut encoded = Vec::new();
    put_bytes(&mut encoded, FILE_NAME, name.as_bytes());
    put_bytes(&mut encoded, FILE_PACKAGE, package.as_bytes());
    put_bytes(&mut encoded, FILE_DEPENDENCY, dependency.as_bytes());
    put_bytes(&mut encoded, FILE_MESSAGE, &message);
    put_bytes(&mut encoded, FILE_SYNTAX, b"proto3");
    File { name, dependencies: vec![dependency], encoded }
}

fn encode_set(files: &[&File]) -> Vec<u8> {
    let mut set = Vec::new();
    for file in files {
        put_bytes(&mut set, SET_FILE, &file.encoded);
    }
    set
}
