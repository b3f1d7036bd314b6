//! Values of ours inside `filter_metadata["ripstop"]` ← wire: the fields of a struct, each with its place and its range.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::{Name, Percent};

use super::common::Context;
use crate::pb;
use crate::pb::value::Kind;

/// Shortest and longest time that can be said.
const SECONDS: std::ops::RangeInclusive<f64> = 1e-3..=1e6;

/// Reads the fields of a struct.
pub(super) struct Fields<'a> {
    fields: &'a pb::Struct,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(fields: &'a pb::Struct) -> Fields<'a> {
        Fields { fields, known: Vec::new() }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Kind> {
        self.known.push(key);
        self.fields.fields.get(key)?.kind.as_ref()
    }

    fn read<T>(
        &mut self,
        cx: &mut Context,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&'a Kind) -> Option<T>,
    ) -> Option<T> {
        let kind = self.get(key)?;
        read(kind).or_else(|| cx.at(key, |cx| cx.refuse(format!("must be {wanted}"))))
    }

    /// Seconds, to the millisecond.
    pub(super) fn seconds(&mut self, cx: &mut Context, key: &'static str) -> Option<Duration> {
        self.read(cx, key, "seconds between 0.001 and 1000000", |kind| match kind {
            Kind::NumberValue(seconds) if SECONDS.contains(seconds) => {
                Some(Duration::from_millis((seconds * 1000.0).round() as u64))
            }
            _ => None,
        })
    }

    /// A whole number.
    pub(super) fn count(&mut self, cx: &mut Context, key: &'static str) -> Option<NonZeroU32> {
        self.read(cx, key, "a whole number from 1 to 4294967295", |kind| match kind {
            Kind::NumberValue(number)
                if number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(number) =>
            {
                NonZeroU32::new(*number as u32)
            }
            _ => None,
        })
    }

    /// A share.
    pub(super) fn percent(&mut self, cx: &mut Context, key: &'static str) -> Option<Percent> {
        self.read(cx, key, "a percentage between 0 and 100", |kind| match kind {
            Kind::NumberValue(number) => Percent::from_f64(*number),
            _ => None,
        })
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, cx: &mut Context, key: &'static str, most: usize) -> Option<&'a str> {
        self.read(cx, key, &format!("a text of at most {most} bytes"), |kind| match kind {
            Kind::StringValue(text) if text.len() <= most => Some(text.as_str()),
            _ => None,
        })
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        cx: &mut Context,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.read(cx, key, &format!("one of {}", list.join(", ")), |kind| match kind {
            Kind::StringValue(text) => words.iter().find(|(word, _)| word == text).map(|(_, value)| *value),
            _ => None,
        })
    }

    /// A struct inside.
    pub(super) fn fields(&mut self, cx: &mut Context, key: &'static str) -> Option<Fields<'a>> {
        self.read(cx, key, "a struct", |kind| match kind {
            Kind::StructValue(fields) => Some(Fields::new(fields)),
            _ => None,
        })
    }

    /// The names and shares of a struct inside, in the order of the names; at most so many.
    pub(super) fn percents(
        &mut self,
        cx: &mut Context,
        key: &'static str,
        most: usize,
    ) -> Option<Vec<(Name, Percent)>> {
        self.read(cx, key, &format!("at most {most} names with percentages"), |kind| {
            let Kind::StructValue(inner) = kind else { return None };
            let share = |(name, value): (&String, &pb::Value)| match value.kind {
                Some(Kind::NumberValue(number)) => {
                    Some((Name::from(name.as_str()), Percent::from_f64(number)?))
                }
                _ => None,
            };
            let mut all: Vec<_> = inner.fields.iter().map(share).collect::<Option<_>>()?;
            all.sort();
            (all.len() <= most).then_some(all)
        })
    }

    /// Reports what nobody has asked for.
    pub(super) fn finish(self, cx: &mut Context) {
        let mut unknown: Vec<&String> =
            self.fields.fields.keys().filter(|key| !self.known.contains(&key.as_str())).collect();
        unknown.sort();
        for key in unknown {
            cx.at(key, |cx| cx.reject("is not known"));
        }
    }
}
