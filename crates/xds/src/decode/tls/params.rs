//! Protocol versions, cipher suites and curves ← wire.

use std::fmt::Display;

use ripstop_model::tls::TlsParams;
use ripstop_model::tls::params::{CipherSuite, Curve, TlsVersion};

use super::super::common::Context;
use crate::pb;

/// The defaults where nothing is said; `None`: a problem was reported.
pub(super) fn params(cx: &mut Context, field: &str, wire: Option<&pb::TlsParameters>) -> Option<TlsParams> {
    let Some(wire) = wire else { return Some(TlsParams::default()) };
    cx.at(field, |cx| {
        let min = version(cx, "tls_minimum_protocol_version", wire.tls_minimum_protocol_version);
        let max = version(cx, "tls_maximum_protocol_version", wire.tls_maximum_protocol_version);
        let mut suites = Vec::new();
        let mut curves = Vec::new();
        let suites_read = cipher_suites(cx, &wire.cipher_suites, &mut suites);
        let curves_read =
            named(cx, "ecdh_curves", &wire.ecdh_curves, Curve::from_name, &Curve::ALL, &mut curves);
        let (min_version, max_version) = (min?, max?);
        if let (Some(min), Some(max)) = (min_version, max_version)
            && min > max
        {
            return cx.at("tls_maximum_protocol_version", |cx| cx.refuse("is older than the minimum"));
        }
        (suites_read && curves_read).then_some(TlsParams {
            min_version,
            max_version,
            cipher_suites: suites,
            curves,
        })
    })
}

/// Numbers of `TlsParameters.TlsProtocol`.
#[allow(clippy::option_option, reason = "the outer one says whether it could be read")]
fn version(cx: &mut Context, field: &str, wire: i32) -> Option<Option<TlsVersion>> {
    match wire {
        0 => Some(None),
        3 => Some(Some(TlsVersion::V1_2)),
        4 => Some(Some(TlsVersion::V1_3)),
        1 | 2 => cx.at(field, |cx| cx.refuse("only TLSv1_2 and TLSv1_3 are supported")),
        _ => cx.at(field, |cx| cx.refuse("is not known")),
    }
}

/// BoringSSL's lists may hold groups of equal preference, `[A|B]`, and several names in one text.
fn cipher_suites(cx: &mut Context, wire: &[String], read: &mut Vec<CipherSuite>) -> bool {
    let split = |text: &String| -> Vec<String> {
        text.split([':', '[', ']', '|']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let mut good = true;
    for (index, text) in wire.iter().enumerate() {
        good &= cx.item("cipher_suites", index, |cx| {
            split(text).iter().all(|name| one(cx, name, CipherSuite::from_name, &CipherSuite::ALL, read))
        });
    }
    good
}

fn named<T: Copy + PartialEq + Display>(
    cx: &mut Context,
    field: &str,
    wire: &[String],
    find: fn(&str) -> Option<T>,
    all: &[T],
    read: &mut Vec<T>,
) -> bool {
    let mut good = true;
    for (index, name) in wire.iter().enumerate() {
        good &= cx.item(field, index, |cx| one(cx, name, find, all, read));
    }
    good
}

fn one<T: Copy + PartialEq + Display>(
    cx: &mut Context,
    name: &str,
    find: fn(&str) -> Option<T>,
    all: &[T],
    read: &mut Vec<T>,
) -> bool {
    match find(name) {
        Some(value) => {
            if !read.contains(&value) {
                read.push(value);
            }
            true
        }
        None => {
            let known: Vec<String> = all.iter().map(ToString::to_string).collect();
            cx.reject(format!("'{name}' is not supported (only {})", known.join(", ")));
            false
        }
    }
}
