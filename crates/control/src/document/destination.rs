//! Reads `Destination`, and the weights of several.

use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, host, label, required_port};
use crate::resource::Destination;

pub(super) fn destination(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<Destination> {
    let reader = field.map()?;
    let host = reader.required("host").and_then(|field| host(&field, false));
    let subset = reader.field("subset").map(|field| label(&field));
    let port = reader.map("port").map(|port| {
        let number = required_port(&port, "number");
        port.finish();
        number
    });
    let origin = decoder.origin_of(&reader, "host");
    reader.finish();
    let subset = subset.unwrap_or(None);
    Some(Destination { host: host?, subset, port: port.unwrap_or(None), origin })
}

/// The weight of a share. A single destination takes everything whether it has a weight or not, as in Istio.
pub(super) fn weight(reader: &Reader<'_>, alone: bool) -> u32 {
    let written = reader.u32("weight");
    match alone {
        true => written.filter(|weight| *weight > 0).unwrap_or(100),
        false => written.unwrap_or(0),
    }
}

/// Reports weights that no dice can be thrown for.
pub(super) fn check_weights(reader: &Reader<'_>, weights: impl Iterator<Item = u32>) {
    match weights.into_iter().try_fold(0u32, u32::checked_add) {
        Some(0) => reader.error("route", "all weights are 0, so no destination is ever chosen"),
        Some(_) => {}
        None => reader.error("route", "the weights add up to more than 4294967295"),
    }
}
