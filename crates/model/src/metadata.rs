//! What is written beside a resource for whoever wants to read it, by namespace. Nothing here acts on it; logs and header
//! values can show it.

use std::collections::BTreeMap;

use crate::Name;
use crate::format::json::JsonNumber;

/// Envoy's `Metadata`, without what has a type. Each namespace holds an object.
pub type Metadata = BTreeMap<Name, BTreeMap<Name, MetadataValue>>;

/// A value of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(JsonNumber),
    /// A text.
    Text(Name),
    /// A list.
    List(Vec<MetadataValue>),
    /// An object.
    Object(BTreeMap<Name, MetadataValue>),
}
