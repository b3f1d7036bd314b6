//! The file: tables, transactions, and how much of the past is kept.
//!
//! A revision and the resources that it changes are one transaction, which is on the disk before anybody is told that the
//! change was accepted. The library (redb) never overwrites what the last transaction has written: a process that is
//! killed at any moment leaves either the state before it or the one after it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use redb::backends::FileBackend;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use super::{Object, ObjectId, Revision, record};
use crate::role::Role;

/// Revisions that are kept; of older ones it is forgotten what they changed.
pub(crate) const MAX_REVISIONS: u64 = 10_000;
/// Bytes of revisions that are kept; the newest revision always is.
pub(crate) const MAX_HISTORY_BYTES: u64 = 256 << 20;
/// Most API tokens.
pub(crate) const MAX_TOKENS: u64 = 1_000;
/// Memory that the library keeps pages in.
const CACHE_BYTES: usize = 8 << 20;
/// Written into each file; a file of another form is not touched.
const FORMAT: u64 = 1;

const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
const REVISIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("revisions");
const TOKENS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("api_tokens");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Keys of [`NUMBERS`].
const FORMAT_KEY: &str = "format";
const REVISION_KEY: &str = "revision";
const HISTORY_BYTES_KEY: &str = "history_bytes";

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("cannot open the store {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The library refuses.
    #[error("the store {} cannot be used: {source}; if the disk is sound, move the file away: the files of the mesh are read again, what was applied over the API is lost", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: Box<redb::Error>,
    },
    /// Written by another version.
    #[error("the store {} has format {found}, this version of ripstop reads format {FORMAT}; use the version that wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it says.
        found: u64,
    },
    /// A record is not what was written.
    #[error("the store {} holds `{key}`, which cannot be read", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Which record.
        key: String,
    },
    /// The control plane is ending.
    #[error("the control plane is ending; ask the next one")]
    Closed,
    /// [`MAX_TOKENS`] tokens are there.
    #[error("there are {MAX_TOKENS} API tokens already; delete some")]
    TooManyTokens,
}

/// What is kept of an API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredToken {
    /// Finds it.
    pub(crate) selector: String,
    /// Whose it is, for people and as author of changes.
    pub(crate) name: String,
    /// What it allows.
    pub(crate) role: Role,
    /// Of the whole token, in hexadecimal.
    pub(crate) sha256: String,
    /// When it was made.
    pub(crate) created: SystemTime,
    /// When it ends; `None`: never.
    pub(crate) expires: Option<SystemTime>,
}

/// The open file. One process at a time has it.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// `None`: closed.
    database: RwLock<Option<Database>>,
}

impl Store {
    /// Opens the file or makes one that only its user can read.
    pub(crate) fn open(path: &Path) -> Result<Store, StoreError> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let database = FileBackend::new(file)
            .and_then(|backend| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend))
            .map_err(|error| database_error(path, error.into()))?;
        let store = Store { path: path.to_owned(), database: RwLock::new(Some(database)) };
        let found = store.write(|write| {
            write.open_table(OBJECTS)?;
            write.open_table(REVISIONS)?;
            write.open_table(TOKENS)?;
            let mut numbers = write.open_table(NUMBERS)?;
            let found = numbers.get(FORMAT_KEY)?.map(|value| value.value());
            if found.is_none() {
                numbers.insert(FORMAT_KEY, FORMAT)?;
            }
            Ok(found.unwrap_or(FORMAT))
        })?;
        match found {
            FORMAT => Ok(store),
            found => Err(StoreError::Format { path: path.to_owned(), found }),
        }
    }

    /// Waits for what is under way and closes the file, whoever still holds this value: another process may open it then.
    pub(crate) fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Number of the newest revision; 0: there is none.
    pub(crate) fn newest(&self) -> Result<u64, StoreError> {
        self.read(|read| {
            let numbers = read.open_table(NUMBERS)?;
            Ok(numbers.get(REVISION_KEY)?.map_or(0, |value| value.value()))
        })
    }

    /// Every resource in force.
    pub(crate) fn objects(&self) -> Result<BTreeMap<ObjectId, Object>, StoreError> {
        let found = self.read(|read| {
            let mut found = Vec::new();
            for entry in read.open_table(OBJECTS)?.iter()? {
                let (key, value) = entry?;
                let key = key.value();
                found.push((key.to_owned(), ObjectId::from_path(key).zip(record::object(value.value()))));
            }
            Ok(found)
        })?;
        found.into_iter().map(|(key, object)| object.ok_or_else(|| self.unreadable(key))).collect()
    }

    /// A revision that is kept.
    pub(crate) fn revision(&self, number: u64) -> Result<Option<Revision>, StoreError> {
        let found = self.read(|read| {
            let bytes = read.open_table(REVISIONS)?.get(number)?;
            Ok(bytes.map(|bytes| record::revision(number, bytes.value())))
        })?;
        found.map(|found| found.ok_or_else(|| self.unreadable(format!("revision {number}")))).transpose()
    }

    /// Revisions older than `before`, the newest first, at most `limit` of those that `wanted` takes.
    pub(crate) fn revisions(
        &self,
        before: u64,
        limit: usize,
        wanted: impl Fn(&Revision) -> bool,
    ) -> Result<Vec<Revision>, StoreError> {
        let found = self.read(|read| {
            let mut found = Vec::new();
            for entry in read.open_table(REVISIONS)?.range(..before)?.rev() {
                let (number, value) = entry?;
                match record::revision(number.value(), value.value()) {
                    Some(revision) if !wanted(&revision) => {}
                    Some(revision) => found.push(Ok(revision)),
                    None => found.push(Err(number.value())),
                }
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })?;
        found
            .into_iter()
            .map(|one| one.map_err(|number| self.unreadable(format!("revision {number}"))))
            .collect()
    }

    /// Writes a revision and what it makes of the resources; on the disk when this returns. `objects` are those that are
    /// different afterwards, `None` those that are gone.
    pub(crate) fn commit(
        &self,
        revision: &Revision,
        objects: &[(&ObjectId, Option<&Object>)],
    ) -> Result<(), StoreError> {
        let bytes = record::of_revision(revision);
        self.write(|write| {
            put_objects(write, objects)?;
            let mut revisions = write.open_table(REVISIONS)?;
            let mut numbers = write.open_table(NUMBERS)?;
            revisions.insert(revision.number, bytes.as_slice())?;
            numbers.insert(REVISION_KEY, revision.number)?;
            let mut kept = numbers.get(HISTORY_BYTES_KEY)?.map_or(0, |value| value.value());
            kept += bytes.len() as u64;
            while revisions.len()? > 1 && (revisions.len()? > MAX_REVISIONS || kept > MAX_HISTORY_BYTES) {
                let Some((_, oldest)) = revisions.pop_first()? else { break };
                kept = kept.saturating_sub(oldest.value().len() as u64);
            }
            numbers.insert(HISTORY_BYTES_KEY, kept)?;
            Ok(())
        })
    }

    /// Writes resources that have only moved within their files.
    pub(crate) fn refresh(&self, objects: &[(&ObjectId, Option<&Object>)]) -> Result<(), StoreError> {
        self.write(|write| put_objects(write, objects))
    }

    /// Every API token.
    pub(crate) fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        let found = self.read(|read| {
            let mut found = Vec::new();
            for entry in read.open_table(TOKENS)?.iter()? {
                let (key, value) = entry?;
                found.push((key.value().to_owned(), record::token(key.value(), value.value())));
            }
            Ok(found)
        })?;
        found.into_iter().map(|(key, token)| token.ok_or_else(|| self.unreadable(key))).collect()
    }

    /// Adds an API token.
    pub(crate) fn add_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        let added = self.write(|write| {
            let mut tokens = write.open_table(TOKENS)?;
            if tokens.len()? >= MAX_TOKENS {
                return Ok(false);
            }
            tokens.insert(token.selector.as_str(), record::of_token(token).as_slice())?;
            Ok(true)
        })?;
        if added { Ok(()) } else { Err(StoreError::TooManyTokens) }
    }

    /// Removes an API token. Says whether it was there.
    pub(crate) fn remove_token(&self, selector: &str) -> Result<bool, StoreError> {
        self.write(|write| Ok(write.open_table(TOKENS)?.remove(selector)?.is_some()))
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let begun = database.as_ref().ok_or(StoreError::Closed)?.begin_read().map_err(redb::Error::from);
        begun.and_then(|transaction| read(&transaction)).map_err(|error| database_error(&self.path, error))
    }

    fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        let run = || {
            let mut transaction = database.begin_write()?;
            // Opening after a kill costs the same whatever the size of the file.
            transaction.set_quick_repair(true);
            let result = write(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| database_error(&self.path, error))
    }

    fn unreadable(&self, key: String) -> StoreError {
        StoreError::Record { path: self.path.clone(), key }
    }
}

fn put_objects(
    write: &WriteTransaction,
    objects: &[(&ObjectId, Option<&Object>)],
) -> Result<(), redb::Error> {
    let mut table = write.open_table(OBJECTS)?;
    for (id, object) in objects {
        let key = id.path();
        match object {
            Some(object) => drop(table.insert(key.as_str(), record::of_object(object).as_slice())?),
            None => drop(table.remove(key.as_str())?),
        }
    }
    Ok(())
}

fn database_error(path: &Path, error: redb::Error) -> StoreError {
    StoreError::Database { path: path.to_owned(), source: Box::new(error) }
}
