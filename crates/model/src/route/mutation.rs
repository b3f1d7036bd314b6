//! What is added to and taken from the headers of requests and responses. Names that say where a request goes (`host`, and
//! those that begin with `:`) are never among them.

use crate::{Format, Name};

/// The changes of one level: route configuration, virtual host, route, or share of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMutations {
    /// Made to requests before they are sent upstream.
    pub request: Mutations,
    /// Made to responses, ours included.
    pub response: Mutations,
}

impl HeaderMutations {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        let none = |mutations: &Mutations| mutations.remove.is_empty() && mutations.add.is_empty();
        none(&self.request) && none(&self.response)
    }
}

/// Changes to the headers of one message. What is removed is removed first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// Names in lower case.
    pub remove: Vec<Name>,
    /// At most 1000.
    pub add: Vec<HeaderAddition>,
}

/// A header that is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderAddition {
    /// In lower case.
    pub name: Name,
    /// Its value; what is not known is left out of it.
    pub value: Format,
    /// What becomes of values that are there already.
    pub action: AppendAction,
    /// It is added even when its value comes out empty.
    pub keep_empty: bool,
}

/// Envoy's `HeaderAppendAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppendAction {
    /// The value stands beside those that are there.
    #[default]
    Append,
    /// Only where there is none.
    AddIfAbsent,
    /// It takes their place.
    Overwrite,
    /// It takes their place; where there is none, nothing happens.
    OverwriteIfExists,
}
