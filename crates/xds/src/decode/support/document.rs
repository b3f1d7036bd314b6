//! Keeps the generated part of `docs/xds-support.md` in step with the tables: every field of every message that is read.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use prost_reflect::MessageDescriptor;

use super::{Fate, TABLES};
use crate::{bootstrap, descriptor};

/// Between these lines of the document stands what is generated.
const BEGIN: &str = "<!-- generated: UPDATE_DOCS=1 cargo test -p ripstop-xds xds_support -->";
const END: &str = "<!-- end of what is generated -->";

/// What depends on the value of a field, as `MESSAGE.FIELD: note`.
const NOTES: &str = include_str!("notes.txt");

#[test]
fn the_document_of_xds_support_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/xds-support.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the document says where the generated part begins");
    let (_, after) = rest.split_once(END).expect("the document says where the generated part ends");
    let wanted = format!("{before}{BEGIN}\n\n{}\n{END}{after}", generated());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, wanted).unwrap();
    }
    let differs = text.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
    assert!(
        text == wanted,
        "docs/xds-support.md is not what the tables say, at {differs:?}: \
         UPDATE_DOCS=1 cargo test -p ripstop-xds xds_support"
    );
}

fn generated() -> String {
    let mut notes = notes();
    let mut out = String::from("## Extensions\n\nThese types are known where a file has `typed_config`:\n\n");
    let mut names: Vec<&str> = TABLES.keys().copied().collect();
    names.sort_unstable();
    for name in names.iter().filter(|name| is_extension(name)) {
        writeln!(out, "- `{name}`").unwrap();
    }
    out.push_str(
        "\n## Messages\n\nA field that is refused makes its resource unusable, and a file an error.\n",
    );
    write_bootstrap(&mut out);
    for name in &names {
        let message = descriptor::message(name).unwrap();
        let fate = |field: &str| TABLES[name].get(field).copied();
        write_message(&mut out, &message, fate, &mut notes);
    }
    out.push_str("\n## Messages that are read whole\n\nEvery field of these counts, or is reported where its value cannot be used:\n\n");
    for name in whole(&names) {
        writeln!(out, "- `{name}`").unwrap();
    }
    assert!(notes.is_empty(), "notes.txt speaks of what is not there: {notes:?}");
    out
}

/// Whether it stands in a `typed_config` itself.
fn is_extension(name: &str) -> bool {
    let outer = name.rsplit_once('.').map_or("", |(package, _)| package);
    name.starts_with("envoy.extensions.") && !outer.contains(|c: char| c.is_ascii_uppercase())
}

fn notes() -> BTreeMap<String, String> {
    let lines = NOTES.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let lines = lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no note: {line}")));
    lines.map(|(field, note)| (field.to_owned(), note.to_owned())).collect()
}

fn write_bootstrap(out: &mut String) {
    let message = descriptor::message("envoy.config.bootstrap.v3.Bootstrap").unwrap();
    let fate = |field: &str| {
        if bootstrap::fields::READ.contains(&field) {
            return Some(Fate::Read);
        }
        (!bootstrap::fields::NEEDED.contains(&field)).then_some(Fate::Harmless)
    };
    write_message(out, &message, fate, &mut BTreeMap::new());
}

fn write_message(
    out: &mut String,
    message: &MessageDescriptor,
    fate: impl Fn(&str) -> Option<Fate>,
    notes: &mut BTreeMap<String, String>,
) {
    writeln!(out, "\n### {}\n", message.full_name()).unwrap();
    if message.fields().len() == 0 {
        return writeln!(out, "It has no fields.").unwrap();
    }
    writeln!(out, "| | |\n|---|---|").unwrap();
    for (words, wanted) in
        [("read", Some(Fate::Read)), ("no effect, with a warning", Some(Fate::Harmless)), ("refused", None)]
    {
        let mut fields: Vec<_> = message.fields().filter(|field| fate(field.name()) == wanted).collect();
        fields.sort_by_key(prost_reflect::FieldDescriptor::number);
        if !fields.is_empty() {
            let fields: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name())).collect();
            writeln!(out, "| {words} | {} |", fields.join(", ")).unwrap();
        }
    }
    let mut said = String::new();
    for field in message.fields() {
        if let Some(note) = notes.remove(&format!("{}.{}", message.full_name(), field.name())) {
            writeln!(said, "- `{}`: {note}", field.name()).unwrap();
        }
    }
    if !said.is_empty() {
        write!(out, "\n{said}").unwrap();
    }
}

/// The messages below fields that are read, which are in no table.
fn whole(names: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = Vec::new();
    for name in names {
        let message = descriptor::message(name).unwrap();
        let read =
            |field: &prost_reflect::FieldDescriptor| TABLES[name].get(field.name()) == Some(&Fate::Read);
        let kinds = message.fields().filter(read).map(|field| field.kind());
        waiting.extend(kinds.filter_map(|kind| kind.as_message().cloned()));
    }
    while let Some(message) = waiting.pop() {
        let name = message.full_name();
        if TABLES.contains_key(name) || name.starts_with("google.protobuf.") {
            continue;
        }
        if message.is_map_entry() {
            waiting.extend(message.map_entry_value_field().kind().as_message().cloned());
            continue;
        }
        if found.insert(name.to_owned()) {
            waiting.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        }
    }
    found
}
