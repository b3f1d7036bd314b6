//! Reads `ServiceEntry`, `WorkloadEntry` and `WorkloadGroup`.

use ripstop_yaml::{Field, Reader};

use crate::document::client_tls::names;
use crate::document::common::{Decoder, cidr, host, labels, port, required_port};
use crate::document::export_to::export_to;
use crate::document::{entry_endpoint, selector};
use crate::resource::{
    AppProtocol, EntryAddress, EntryPort, Location, Metadata, Resolution, ServiceEntry, ServicePort,
    WorkloadEntry, WorkloadGroup,
};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> ServiceEntry {
    let fields = spec.required("hosts").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        spec.error("hosts", "an entry has at least one host");
    }
    let one = |field: &Field<'_>| {
        let host = host(field, true)?;
        if &*host == "*" {
            field.error_with_help("an entry for every host", "write the hosts, or `*.suffix`");
        }
        Some((host, decoder.origin_of_field(field)))
    };
    let hosts = fields.unwrap_or_default().iter().filter_map(one).collect();
    let locations = [("MESH_EXTERNAL", Location::External), ("MESH_INTERNAL", Location::Internal)];
    let resolutions = [
        ("NONE", Resolution::None),
        ("STATIC", Resolution::Static),
        ("DNS", Resolution::Dns),
        ("DNS_ROUND_ROBIN", Resolution::DnsRoundRobin),
    ];
    let endpoints = spec.maps("endpoints").into_iter().map(|reader| {
        let endpoint = entry_endpoint::decode(decoder, &reader);
        if endpoint.address.is_none() && !reader.has("address") {
            reader.error("address", "the field is required");
        }
        reader.finish();
        endpoint
    });
    let entry = ServiceEntry {
        hosts,
        addresses: spec.list("addresses").iter().filter_map(cidr).collect(),
        ports: ports(decoder, spec),
        location: spec.one_of("location", &locations).unwrap_or_default(),
        resolution: spec.one_of("resolution", &resolutions).unwrap_or_default(),
        endpoints: endpoints.collect(),
        selector: selector::workload_labels(spec),
        export_to: export_to(spec, meta.namespace()),
        subject_alt_names: names(spec, "subjectAltNames"),
        meta,
    };
    check(spec, &entry);
    entry
}

fn ports(decoder: &Decoder<'_>, spec: &Reader<'_>) -> Vec<EntryPort> {
    let fields = spec.required("ports").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        spec.error("ports", "an entry has at least one port");
    }
    let mut ports: Vec<EntryPort> = Vec::new();
    for field in fields.unwrap_or_default() {
        let Some(one) = entry_port(decoder, &field) else { continue };
        let same = |other: &EntryPort| other.port.name == one.port.name || other.port.port == one.port.port;
        if let Some(other) = ports.iter().find(|other| same(other)) {
            field.error(format!("port {} has the same name or number", other.port.port));
        }
        ports.push(one);
    }
    ports
}

fn entry_port(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<EntryPort> {
    let reader = field.map()?;
    let number = required_port(&reader, "number");
    let name = reader.required_str("name");
    let protocol = reader.one_of("protocol", &AppProtocol::ISTIO_WORDS).unwrap_or(AppProtocol::Tcp);
    let target = port(&reader, "targetPort");
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(EntryPort { port: ServicePort { name: name?.into(), port: number?, protocol, origin }, target })
}

/// What does not go together.
fn check(spec: &Reader<'_>, entry: &ServiceEntry) {
    if !entry.endpoints.is_empty() && entry.selector.is_some() {
        spec.error_with_help(
            "endpoints",
            "`workloadSelector` says already who they are",
            "remove one of them",
        );
    }
    let has = |wanted: fn(&EntryAddress) -> bool| {
        entry.endpoints.iter().filter_map(|one| one.address.as_ref()).any(wanted)
    };
    match entry.resolution {
        Resolution::None if !entry.endpoints.is_empty() => spec.error_with_help(
            "resolution",
            "with NONE there are no endpoints to choose from",
            "write STATIC for addresses, DNS for names",
        ),
        Resolution::Static if has(|address| matches!(address, EntryAddress::Name(_))) => spec
            .error_with_help(
                "resolution",
                "with STATIC the endpoints are addresses, and here is a name",
                "write DNS",
            ),
        Resolution::Static if entry.endpoints.is_empty() && entry.selector.is_none() => spec.error_with_help(
            "resolution",
            "with STATIC somebody has to say where it is",
            "add `endpoints` or `workloadSelector`",
        ),
        Resolution::Dns | Resolution::DnsRoundRobin => {
            if has(|address| matches!(address, EntryAddress::Pipe(_))) {
                spec.error_with_help("resolution", "DNS knows no sockets", "write STATIC");
            }
            let wildcard = entry.hosts.iter().any(|(host, _)| host.starts_with('*'));
            if wildcard && entry.endpoints.is_empty() {
                let help = "write the hosts in full, or add `endpoints`";
                spec.error_with_help("hosts", "DNS cannot be asked for a pattern", help);
            }
            if entry.resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
                spec.error_with_help("endpoints", "with DNS_ROUND_ROBIN there is one at most", "write DNS");
            }
        }
        _ => {}
    }
}

pub(super) fn decode_workload(
    decoder: &Decoder<'_>,
    spec: &Reader<'_>,
    meta: Metadata,
) -> Option<WorkloadEntry> {
    let endpoint = entry_endpoint::decode(decoder, spec);
    if endpoint.address.is_none() && !spec.has("address") {
        spec.error("address", "the field is required");
    }
    Some(WorkloadEntry { meta, endpoint })
}

pub(super) fn decode_group(
    decoder: &Decoder<'_>,
    spec: &Reader<'_>,
    meta: Metadata,
) -> Option<WorkloadGroup> {
    let mut group_labels = Default::default();
    if let Some(metadata) = spec.map("metadata") {
        group_labels = labels(&metadata, "labels");
        metadata.string_map("annotations");
        metadata.finish();
    }
    let template = spec.required("template").and_then(|field| field.map()).map(|reader| {
        if reader.has("address") {
            reader.error_with_help("address", "a template has no address", "each member has its own");
        }
        let template = entry_endpoint::decode(decoder, &reader);
        reader.finish();
        template
    });
    spec.known_but_unsupported("probe", "members are not probed");
    Some(WorkloadGroup { meta, labels: group_labels, template: template? })
}
