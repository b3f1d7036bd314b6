//! Reads an endpoint: what `WorkloadEntry` says, alone, within a `ServiceEntry` and as the template of a `WorkloadGroup`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{
    Decoder, dns_name, is_dns_name, labels, locality, port_number, shorten, weight,
};
use crate::resource::{EntryAddress, EntryEndpoint};

pub(super) fn decode(decoder: &Decoder<'_>, reader: &Reader<'_>) -> EntryEndpoint {
    let mut ports = BTreeMap::new();
    for (name, field) in reader.field("ports").map(|field| field.entries()).unwrap_or_default() {
        if let Some(port) = port_number(&field) {
            ports.insert(Name::from(name), port);
        }
    }
    reader.known_but_unsupported("network", "every endpoint is reached directly");
    EntryEndpoint {
        address: reader.field("address").and_then(|field| address(&field)),
        ports,
        labels: labels(reader, "labels"),
        locality: reader.field("locality").and_then(|field| locality(&field)).unwrap_or_default(),
        weight: weight(reader),
        service_account: reader.field("serviceAccount").and_then(|field| dns_name(&field)),
        origin: decoder.origin(reader),
    }
}

fn address(field: &Field<'_>) -> Option<EntryAddress> {
    let text = field.str()?;
    if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with(['/', '@']) {
            field.error_with_help(format!("`{}` is not a socket", shorten(&text)), "write unix:///path");
            return None;
        }
        return Some(EntryAddress::Pipe(path.into()));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(EntryAddress::Ip(ip));
    }
    let name = text.to_ascii_lowercase();
    if is_dns_name(&name) {
        return Some(EntryAddress::Name(name.into()));
    }
    let message = format!("`{}` is not an address", shorten(&text));
    field.error_with_help(message, "write an IP address, a name, or unix:///path");
    None
}
