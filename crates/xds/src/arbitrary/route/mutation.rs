//! Changes to headers, at random.

use fastrand::Rng;
use ripstop_model::Name;
use ripstop_model::route::{AppendAction, HeaderAddition, HeaderMutations, Mutations};

use super::super::access_log::format;
use super::super::{list, name};

pub(super) fn mutations(rng: &mut Rng) -> Option<Box<HeaderMutations>> {
    let mutations = HeaderMutations { request: one(rng), response: one(rng) };
    (!mutations.is_empty()).then(|| Box::new(mutations))
}

fn one(rng: &mut Rng) -> Mutations {
    Mutations { remove: list(rng, 1, header_name), add: list(rng, 2, addition) }
}

pub(in crate::arbitrary) fn addition(rng: &mut Rng) -> HeaderAddition {
    let action = match rng.u8(0..4) {
        0 => AppendAction::Append,
        1 => AppendAction::AddIfAbsent,
        2 => AppendAction::Overwrite,
        _ => AppendAction::OverwriteIfExists,
    };
    HeaderAddition { name: header_name(rng), value: format(rng), action, keep_empty: rng.bool() }
}

fn header_name(rng: &mut Rng) -> Name {
    format!("x-{}", name(rng)).to_ascii_lowercase().into()
}
