//! Changes to the headers of a check. Unlike those of routes their values are fixed.

use http::{HeaderMap, HeaderName, HeaderValue};
use ripstop_model::format::Piece;
use ripstop_model::route::{AppendAction, Mutations};

/// One change.
pub enum HeaderChange {
    /// Takes a header away.
    Remove(HeaderName),
    /// Adds one.
    Add(HeaderName, HeaderValue, AppendAction),
}

/// Compiles changes. The error is the name of the header that cannot be sent.
pub fn compile(mutations: &Mutations) -> Result<Vec<HeaderChange>, String> {
    let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|_| name.to_owned());
    let removed = mutations.remove.iter().map(|header| name(header).map(HeaderChange::Remove));
    let added = mutations.add.iter().map(|addition| {
        let text = addition.value.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => &**text,
            // Refused when the configuration was read.
            Piece::Operator { .. } => "",
        });
        let text: String = text.collect();
        let value = HeaderValue::from_str(&text).map_err(|_| addition.name.to_string())?;
        if value.is_empty() && !addition.keep_empty {
            return Ok(None);
        }
        Ok(Some(HeaderChange::Add(name(&addition.name)?, value, addition.action)))
    });
    removed.map(|change| change.map(Some)).chain(added).filter_map(Result::transpose).collect()
}

/// Makes them.
pub fn change(headers: &mut HeaderMap, changes: &[HeaderChange]) {
    for change in changes {
        match change {
            HeaderChange::Remove(name) => drop(headers.remove(name)),
            HeaderChange::Add(name, value, action) => {
                let is_there = headers.contains_key(name);
                match action {
                    AppendAction::Append => drop(headers.append(name, value.clone())),
                    AppendAction::AddIfAbsent if is_there => {}
                    AppendAction::OverwriteIfExists if !is_there => {}
                    AppendAction::AddIfAbsent | AppendAction::Overwrite | AppendAction::OverwriteIfExists => {
                        headers.insert(name, value.clone());
                    }
                }
            }
        }
    }
}
