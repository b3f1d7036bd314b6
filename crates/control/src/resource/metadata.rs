//! What every resource has: a name, a namespace, labels and the place where it was written.

use std::collections::BTreeMap;
use std::fmt;

use ripstop_model::Name;

use super::Origin;

/// Labels of a resource, or the labels that a selector asks for.
pub type Labels = BTreeMap<Name, Name>;

/// Namespace and name; unique within a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl ObjectKey {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> ObjectKey {
        ObjectKey { namespace: namespace.into(), name: name.into() }
    }
}

/// `namespace/name`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Head of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its own labels.
    pub labels: Labels,
    /// Where the document begins.
    pub origin: Origin,
}

impl Metadata {
    /// The namespace of resources that name none.
    pub const DEFAULT_NAMESPACE: &'static str = "default";

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.key.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Name {
        &self.key.namespace
    }

    /// Whether its labels have everything that `selector` asks for; an empty selector asks for nothing.
    pub fn has_labels(&self, selector: &Labels) -> bool {
        selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}
