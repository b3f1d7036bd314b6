//! Load shedding → `filter_metadata["ripstop"]` of a cluster.

use ripstop_model::load_shedding::LoadShedding;

use super::circuit_breaker::{of, text};
use crate::pb::value::Kind;

/// The struct that stands for it.
pub(super) fn load_shedding(shedding: &LoadShedding) -> Kind {
    let level = |(name, share): &(ripstop_model::Name, ripstop_model::Percent)| {
        (name.to_string(), Kind::NumberValue(share.as_f64()))
    };
    let levels = shedding.levels.iter().map(level);
    of(vec![
        ("header".to_owned(), text(&shedding.header)),
        ("levels".to_owned(), of(levels.collect())),
        ("others".to_owned(), Kind::NumberValue(shedding.others.as_f64())),
    ])
}
