//! What routes say to HTTP filters → wire.

use prost::Message;
use ripstop_model::http_filter::{FilterOverride, FilterOverrides};

use crate::encode::common::any;
use crate::encode::cors::cors_policy;
use crate::encode::fault::fault;
use crate::encode::format::put;
use crate::encode::session::session_of_route;
use crate::pb;

/// Key and value of the entries of a map.
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// Appends the map, in the order of the names, as the field `typed_per_filter_config` of this number.
pub(super) fn put_overrides(field: u32, overrides: &FilterOverrides, out: &mut Vec<u8>) {
    for (name, said) in overrides {
        let mut entry = Vec::new();
        put(KEY, name.as_bytes(), &mut entry);
        put(VALUE, &config(said).encode_to_vec(), &mut entry);
        put(field, &entry, out);
    }
}

pub(super) fn config(said: &FilterOverride) -> pb::Any {
    match said {
        FilterOverride::Disabled => any(&pb::FilterConfig { disabled: true, ..Default::default() }),
        FilterOverride::Cors(policy) => any(&cors_policy(policy)),
        FilterOverride::Fault(said) => any(&fault(said)),
        FilterOverride::Session(said) => any(&session_of_route(said)),
    }
}
