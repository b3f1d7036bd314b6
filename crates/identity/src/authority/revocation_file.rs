//! The revocation lists of a user's CA, in a file that is read again when it changes. What cannot be read leaves those from
//! before in force, and so does a file that is gone: nobody is let in again by accident.

use std::path::{Path, PathBuf};

use super::ca_files::{CaFilesError, read};
use crate::revocation::Revocations;

/// The file, and what was read last.
#[derive(Debug)]
pub(super) struct RevocationFile {
    path: PathBuf,
    seen: Option<Vec<u8>>,
}

impl RevocationFile {
    /// Nothing was read yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// Reads the file. `None`: there is none, or it is what it was when it was taken last.
    pub(super) fn poll(&mut self) -> Result<Option<Revocations>, CaFilesError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let content = read(&self.path)?;
        if self.seen.as_ref() == Some(&content) {
            return Ok(None);
        }
        let lists = Revocations::from_pem(&content)
            .map_err(|error| CaFilesError { path: self.path.clone(), reason: error.to_string() })?;
        self.seen = Some(content);
        Ok(Some(lists))
    }
}
