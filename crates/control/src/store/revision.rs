//! One accepted change.

use std::time::SystemTime;

use super::{ObjectId, Version};

/// A change that came into force: who, when, why, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// From 1, one more with each.
    pub(crate) number: u64,
    /// When it was accepted, in whole milliseconds.
    pub(crate) at: SystemTime,
    /// Who made it: `files`, or the holder of a token, or who says so on the administrator's socket.
    pub(crate) author: String,
    /// Why; may be empty.
    pub(crate) message: String,
    /// What is different. Empty if only what nobody can see changed.
    pub(crate) changes: Vec<Change>,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which.
    pub(crate) id: ObjectId,
    /// As it was; `None`: it is new.
    pub(crate) before: Option<Version>,
    /// As it is; `None`: it is gone.
    pub(crate) after: Option<Version>,
}

impl Change {
    /// One word for people.
    pub(crate) fn action(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "created",
            (_, None) => "deleted",
            (Some(before), Some(after)) if before.owner != after.owner && before.text == after.text => {
                "moved"
            }
            (Some(_), Some(_)) => "updated",
        }
    }

    /// The lines that differ, in unified form.
    pub(crate) fn diff(&self) -> String {
        let text =
            |version: &Option<Version>| version.as_ref().map(|v| v.text.to_string()).unwrap_or_default();
        super::unified(&self.id.path(), &text(&self.before), &text(&self.after))
    }
}
