//! What answers say of who gives them.

use crate::Name;

/// The header `server` of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerHeader {
    /// What we call ourselves; `None`: `ripstop`.
    pub name: Option<Name>,
    /// What becomes of the upstream's.
    pub transformation: ServerTransformation,
}

/// Envoy's `ServerHeaderTransformation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServerTransformation {
    /// Ours takes its place.
    #[default]
    Overwrite,
    /// Ours is said where there is none.
    AppendIfAbsent,
    /// It is passed on, and ours is not said.
    PassThrough,
}
