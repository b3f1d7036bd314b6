//! Reads `Service`.

use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, label, required_port};
use crate::document::defaults;
use crate::resource::{AppProtocol, Metadata, Service, ServicePort};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> Service {
    let fields = spec.required("ports").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        spec.error("ports", "a service has at least one port");
    }
    let mut ports: Vec<ServicePort> = Vec::new();
    for field in fields.unwrap_or_default() {
        let Some(port) = port(decoder, &field) else { continue };
        if let Some(other) = ports.iter().find(|other| other.name == port.name || other.port == port.port) {
            let same = if other.name == port.name {
                format!("name `{}`", port.name)
            } else {
                format!("number {}", port.port)
            };
            field.error(format!("another port has the {same}"));
        }
        ports.push(port);
    }
    let defaults = spec.map("defaults").map(|reader| defaults::decode(decoder, reader));
    Service { meta, ports, defaults }
}

fn port(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<ServicePort> {
    let reader = field.map()?;
    let name = reader.required("name").and_then(|field| label(&field));
    let port = required_port(&reader, "port");
    let protocol = reader.one_of("protocol", &AppProtocol::WORDS).unwrap_or(AppProtocol::Http);
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(ServicePort { name: name?, port: port?, protocol, origin })
}
