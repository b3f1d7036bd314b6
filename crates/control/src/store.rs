//! What is in force and how it came to be, kept in one file that survives a kill at any moment: every resource as its author
//! wrote it, every accepted change as a numbered revision, and what is kept of API tokens. Whether a change is acceptable is
//! not decided here; [`crate::change`] does that.

mod database;
mod diff;
mod object;
mod record;
mod revision;
mod split;
#[cfg(test)]
mod tests;

pub use database::StoreError;
pub(crate) use database::{Store, StoredToken};
pub(crate) use diff::unified;
pub(crate) use object::{Object, ObjectId, Owner, Version};
pub(crate) use revision::{Change, Revision};
pub(crate) use split::{DocumentText, split};
