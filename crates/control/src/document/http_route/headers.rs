//! Reads what is changed in headers: Istio's `Headers`.

use ripstop_model::route::{AppendAction, HeaderAddition, Mutations};
use ripstop_model::{Format, Name};
use ripstop_yaml::{Field, Reader};

use super::authority;
use crate::document::common::{header_value, shorten};
use crate::resource::HeaderChanges;

/// Most headers that one level adds.
const MAX_ADDED: usize = 1000;

pub(super) fn changes(reader: Reader<'_>) -> HeaderChanges {
    let mut changes = HeaderChanges::default();
    if let Some(request) = reader.map("request") {
        let host = &mut changes.authority;
        changes.mutations.request = operations(request, |field| *host = authority(field));
    }
    if let Some(response) = reader.map("response") {
        changes.mutations.response = operations(response, |field| {
            field.error("a response has no host");
        });
    }
    reader.finish();
    changes
}

/// `set_host` gets the host that `set` asks for.
fn operations(reader: Reader<'_>, mut set_host: impl FnMut(&Field<'_>)) -> Mutations {
    let mut mutations = Mutations::default();
    for (key, action) in [("set", AppendAction::Overwrite), ("add", AppendAction::Append)] {
        for (name, field) in reader.field(key).map(|field| field.entries()).unwrap_or_default() {
            let lower = name.to_ascii_lowercase();
            if key == "set" && matches!(lower.as_str(), "host" | ":authority") {
                set_host(&field);
            } else if let (Some(name), Some(value)) = (header_name(&field, &lower), value(&field)) {
                mutations.add.push(HeaderAddition { name, value, action, keep_empty: false });
            }
        }
    }
    if mutations.add.len() > MAX_ADDED {
        reader.error_here(format!("at most {MAX_ADDED} headers are added"));
    }
    for field in reader.list("remove") {
        let Some(text) = field.str() else { continue };
        mutations.remove.extend(header_name(&field, &text.to_ascii_lowercase()));
    }
    reader.finish();
    mutations
}

/// A header that may be changed. Lower case.
fn header_name(field: &Field<'_>, name: &str) -> Option<Name> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.starts_with(':') || name == "host" {
        field.error_with_help(
            format!("`{name}` says where a request goes and is not changed as a header"),
            "use `rewrite`, or `set` of `host`",
        );
        return None;
    }
    if name.is_empty() || !name.bytes().all(token) {
        field.error(format!("`{}` is not the name of a header", shorten(name)));
        return None;
    }
    Some(name.into())
}

fn value(field: &Field<'_>) -> Option<Format> {
    let text = field.str()?;
    if !header_value(&text) {
        field.error("a header cannot have this value: it has a control character");
        return None;
    }
    match Format::parse(&text) {
        Ok(format) => Some(format),
        Err(error) => {
            field.error_with_help(error.to_string(), "write %% for a percent sign");
            None
        }
    }
}
