//! A resource as text, and whose it is.

use std::fmt;
use std::sync::Arc;

use crate::resource::{Kind, ObjectKey, Resource};

/// Kind, namespace and name: what is in a mesh at most once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    /// Kind.
    pub(crate) kind: Kind,
    /// Namespace and name.
    pub(crate) key: ObjectKey,
}

impl ObjectId {
    /// The id of a resource.
    pub(crate) fn of(resource: &Resource) -> ObjectId {
        ObjectId { kind: resource.kind(), key: resource.meta().key.clone() }
    }

    /// `Kind/namespace/name`, as in the paths of the API.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}/{}", self.kind, self.key.namespace, self.key.name)
    }

    /// Reads [`ObjectId::path`].
    pub(crate) fn from_path(path: &str) -> Option<ObjectId> {
        let mut parts = path.splitn(3, '/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = Kind::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(kind))?;
        Some(ObjectId { kind, key: ObjectKey::new(namespace, name) })
    }
}

/// `VirtualService default/shop`.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// Where a resource comes from, which is the only place where it can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The files that the control plane follows.
    Files,
    /// The API, and with it `ripstop apply`.
    Api,
}

impl Owner {
    /// `files` or `api`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Owner::Files => "files",
            Owner::Api => "api",
        }
    }

    /// Reads [`Owner::as_str`].
    pub(crate) fn parse(text: &str) -> Option<Owner> {
        [Owner::Files, Owner::Api].into_iter().find(|owner| owner.as_str() == text)
    }
}

/// A resource as it was written at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Where it came from.
    pub(crate) owner: Owner,
    /// Name of the file as its author named it.
    pub(crate) file: Arc<str>,
    /// Line of the file that `text` begins with, from 1.
    pub(crate) line: u32,
    /// The document.
    pub(crate) text: Arc<str>,
}

impl Version {
    /// Whether both say the same and belong to the same; that a document has moved within its file is no change of it.
    pub(crate) fn is_same_as(&self, other: &Version) -> bool {
        self.owner == other.owner && self.text == other.text
    }
}

/// A resource in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// As it is written.
    pub(crate) version: Version,
    /// The revision that brought it; of two rules with an equal claim the older one holds.
    pub(crate) created: u64,
    /// The revision that changed it last.
    pub(crate) revision: u64,
}
