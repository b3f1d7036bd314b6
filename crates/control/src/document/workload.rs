//! Reads `Workload`.

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{
    Decoder, dns_name, ip_address, is_dns_name, label, locality, port_number, required_port, weight,
};
use crate::resource::{GatewayRole, Health, Metadata, Run, SidecarRole, Upstream, Workload, WorkloadPort};

/// Most worker threads that a document may ask for.
const MAX_CONCURRENCY: u32 = 1024;

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> Option<Workload> {
    let service = spec.field("service").and_then(|field| label(&field));
    let service_account = spec
        .field("serviceAccount")
        .and_then(|field| dns_name(&field))
        .or_else(|| service.clone())
        .unwrap_or_else(|| meta.name().clone());
    let address = spec.required("address").and_then(|field| ip_address(&field));
    let sidecar = spec.map("sidecar").map(|reader| sidecar(decoder, reader));
    let gateway = spec.map("gateway").map(|reader| gateway(decoder, reader));
    if sidecar.is_some() && gateway.is_some() {
        spec.error_with_help("gateway", "a workload has a sidecar or is a gateway, not both", "remove one");
    }
    if gateway.is_some() && service.is_some() {
        spec.error("service", "a gateway is not an instance of a service");
    }
    let ports = ports(decoder, spec, sidecar.is_some());
    if service.is_some() && ports.is_empty() && spec.span_of("ports").is_none() {
        spec.error("ports", "an instance of a service has at least one port");
    }
    let locality = spec.field("locality").and_then(|field| locality(&field)).unwrap_or_default();
    let weight = weight(spec);
    let health = spec.map("health").and_then(health);
    let run = spec.map("run").and_then(run);
    Some(Workload {
        meta,
        service,
        service_account,
        address: address?,
        ports,
        locality,
        weight,
        health,
        sidecar: sidecar.and_then(|s| s),
        gateway: gateway.and_then(|g| g),
        run,
    })
}

fn ports(decoder: &Decoder<'_>, spec: &Reader<'_>, has_sidecar: bool) -> BTreeMap<Name, WorkloadPort> {
    let entries = spec.field("ports").map(|field| field.entries()).unwrap_or_default();
    let mut ports = BTreeMap::new();
    for (name, field) in entries {
        if let Some(port) = port(decoder, &field, has_sidecar) {
            ports.insert(name.into(), port);
        }
    }
    ports
}

fn port(decoder: &Decoder<'_>, field: &Field<'_>, has_sidecar: bool) -> Option<WorkloadPort> {
    let reader = field.map()?;
    let app = required_port(&reader, "app");
    let sidecar = match has_sidecar {
        true => required_port(&reader, "sidecar"),
        false => {
            if reader.has("sidecar") {
                reader.error_with_help("sidecar", "the workload has no sidecar", "add `sidecar` to its spec");
            }
            None
        }
    };
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(WorkloadPort { app: app?, sidecar, origin })
}

fn sidecar(decoder: &Decoder<'_>, reader: Reader<'_>) -> Option<SidecarRole> {
    let admin = required_port(&reader, "admin");
    let outbound = reader.field("outbound").map(|field| port_number(&field));
    let entries = reader.field("upstreams").map(|field| field.entries()).unwrap_or_default();
    let upstreams = entries.iter().filter_map(|(name, field)| upstream(decoder, name, field)).collect();
    let concurrency = concurrency(&reader);
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(SidecarRole { admin: admin?, outbound: outbound.unwrap_or(None), upstreams, concurrency, origin })
}

/// `service: local-port`, or `service:port: local-port` for one of several ports.
fn upstream(decoder: &Decoder<'_>, key: &str, field: &Field<'_>) -> Option<Upstream> {
    let local_port = port_number(field);
    let (name, port) = match key.split_once(':') {
        None => (key, None),
        Some((name, port)) => match port.parse::<u16>() {
            Ok(port) if port != 0 => (name, Some(port)),
            _ => {
                field.error_with_help(format!("`{port}` is not a port"), "write `service:8080: 15201`");
                return None;
            }
        },
    };
    let name = name.to_ascii_lowercase();
    if !is_dns_name(&name) {
        field.error_with_help(format!("`{key}` is not a service"), "write `service: 15201`");
        return None;
    }
    Some(Upstream {
        host: name.into(),
        port,
        local_port: local_port?,
        origin: decoder.origin_of_field(field),
    })
}

fn gateway(decoder: &Decoder<'_>, reader: Reader<'_>) -> Option<GatewayRole> {
    let admin = required_port(&reader, "admin");
    let concurrency = concurrency(&reader);
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(GatewayRole { admin: admin?, concurrency, origin })
}

fn concurrency(reader: &Reader<'_>) -> Option<u32> {
    let threads = reader.u32("concurrency")?;
    if !(1..=MAX_CONCURRENCY).contains(&threads) {
        reader.error("concurrency", format!("a proxy has 1 to {MAX_CONCURRENCY} worker threads"));
    }
    Some(threads)
}

fn health(reader: Reader<'_>) -> Option<Health> {
    let path = reader.required_str("path");
    if path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains(char::is_whitespace)) {
        reader.error("path", "a path begins with `/` and has no spaces");
    }
    reader.finish();
    Some(Health { path: path?.into() })
}

fn run(reader: Reader<'_>) -> Option<Run> {
    let command = reader.required("command").map(|field| field.strings());
    if command.as_ref().is_some_and(|words| words.first().is_none_or(String::is_empty)) {
        reader.error_with_help("command", "the command is empty", "write [program, argument]");
    }
    let env = reader.string_map("env");
    for name in env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        reader.error("env", format!("`{}` cannot name a variable", name.escape_default()));
    }
    let cwd = reader.str("cwd");
    reader.finish();
    Some(Run { command: command?, env, cwd })
}
