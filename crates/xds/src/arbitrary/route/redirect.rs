//! Redirects, at random.

use fastrand::Rng;
use ripstop_model::route::{Redirect, RedirectPath, RedirectScheme, RedirectStatus};

use super::forward::substitution;
use crate::arbitrary::{name, option};

pub(super) fn redirect(rng: &mut Rng) -> Redirect {
    use RedirectStatus::{Found, MovedPermanently, PermanentRedirect, SeeOther, TemporaryRedirect};
    let all = [MovedPermanently, Found, SeeOther, TemporaryRedirect, PermanentRedirect];
    Redirect {
        scheme: option(rng, |rng| match rng.bool() {
            true => RedirectScheme::Https,
            false => RedirectScheme::Named(name(rng)),
        }),
        host: option(rng, name),
        port: option(rng, |rng| rng.u32(1..)),
        path: option(rng, |rng| match rng.u8(0..3) {
            0 => RedirectPath::Whole(name(rng)),
            1 => RedirectPath::Prefix(name(rng)),
            _ => RedirectPath::Regex(substitution(rng)),
        }),
        status: all[rng.usize(0..all.len())],
        strip_query: rng.bool(),
    }
}
