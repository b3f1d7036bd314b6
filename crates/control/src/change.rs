//! The one place where changes come in, from files and over the API: each is checked as a whole, written down, and only then
//! put in force. One at a time; what is in force is never half of a change.
//!
//! A resource belongs to the files or to the API. Whoever changes it over the API while a file has it is refused, since the
//! file would go on saying otherwise. A file that brings a resource which was applied over the API takes it over: files are
//! there before the first request, and a control plane must be able to start without asking anybody.

mod compose;
mod files;
mod piecewise;
#[cfg(test)]
mod random_tests;
mod refusal;
mod rollback;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use ripstop_yaml::{Problem, Severity, Source};
use tokio::sync::watch;

use crate::resource::Origin;
use crate::serve::{InForce, Pinned, Reloads};
use crate::source::{self, State};
use crate::store::{Change, Object, ObjectId, Owner, Revision, Store, StoreError, split};
use compose::{Applied, Candidate};
use files::Files;
use piecewise::Piece;

pub(crate) use refusal::Refusal;

/// Most resources in one request.
const MAX_OBJECTS: usize = 10_000;
/// Longest author and longest message that are kept, in bytes.
const MAX_AUTHOR_BYTES: usize = 256;
const MAX_MESSAGE_BYTES: usize = 4096;

/// Who changes something, and why.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    author: String,
    message: String,
}

impl Reason {
    /// Longer texts are cut.
    pub(crate) fn new(author: &str, message: &str) -> Reason {
        let cut = |text: &str, bytes: usize| text[..text.floor_char_boundary(bytes)].to_owned();
        Reason { author: cut(author, MAX_AUTHOR_BYTES), message: cut(message, MAX_MESSAGE_BYTES) }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The revision that it made; the newest one if nothing is different; the one that it would make if it was only tried.
    pub(crate) revision: u64,
    /// What is different.
    pub(crate) changes: Vec<Change>,
    /// What was named and is as it was.
    pub(crate) unchanged: Vec<ObjectId>,
    /// Warnings that were not there before.
    pub(crate) warnings: Vec<Problem>,
}

/// All that is in force, and the way to change it.
#[derive(Debug)]
pub(crate) struct Changes {
    inner: Mutex<Inner>,
    in_force: watch::Sender<Arc<InForce>>,
    pinned: Pinned,
    reloads: Arc<Reloads>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    revision: u64,
    objects: BTreeMap<ObjectId, Object>,
    files: Files,
    applied: BTreeMap<ObjectId, Applied>,
    /// Why the files as they are now are not in force.
    refused: Vec<Problem>,
}

/// What a control plane starts with.
#[derive(Debug)]
pub(crate) struct Start {
    inner: Inner,
    candidate: Candidate,
}

impl Start {
    /// Reads the store and puts it together with the files. If that is no mesh any more, what was in force last goes on to
    /// be, and the problems are told.
    ///
    /// # Errors
    /// The store cannot be used, or it is empty and the documents have errors.
    pub(crate) fn open(
        store: Arc<Store>,
        loaded: Result<source::Documents, Vec<Problem>>,
    ) -> Result<Start, Refusal> {
        let objects = store.objects()?;
        let revision = store.newest()?;
        let applied = compose::decode_applied(&objects)?;
        let mut inner =
            Inner { store, revision, objects, files: Files::default(), applied, refused: Vec::new() };
        let tried = loaded.and_then(|documents| {
            let files = Files::new(documents)?;
            let candidate = Candidate::new(&files, &inner.applied)?;
            Ok((files, candidate))
        });
        match tried {
            Ok((files, candidate)) => {
                inner.files = files;
                Ok(Start { inner, candidate })
            }
            Err(problems) if revision == 0 => Err(Refusal::Problems(problems)),
            Err(problems) => {
                inner.refused = problems;
                inner.files = Files::remembered(&inner.objects).map_err(Refusal::Problems)?;
                let candidate = Candidate::new(&inner.files, &inner.applied).map_err(Refusal::Problems)?;
                Ok(Start { inner, candidate })
            }
        }
    }

    /// The mesh that will be in force.
    pub(crate) fn world(&self) -> &crate::world::World {
        &self.candidate.world
    }
}

impl Changes {
    /// Puts in force what was read at the start. What is different from the last time is a revision of its own.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn new(start: Start, pinned: Pinned, reloads: Arc<Reloads>) -> Result<Changes, StoreError> {
        let Start { mut inner, candidate } = start;
        let message = if inner.revision == 0 { "first start" } else { "as found at the start" };
        inner.commit(&candidate, &Reason::new(Owner::Files.as_str(), message), SystemTime::now())?;
        let state = inner.state(candidate);
        let first = pinned.next(&state, inner.revision, SystemTime::now(), Instant::now());
        Ok(Changes {
            inner: Mutex::new(inner),
            in_force: watch::Sender::new(Arc::new(first)),
            pinned,
            reloads,
        })
    }

    /// What is in force, and all that will be.
    pub(crate) fn in_force(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// The store, to be read.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.lock().store)
    }

    /// Resources in force, with the place where each is written.
    pub(crate) fn objects(&self) -> BTreeMap<ObjectId, Object> {
        self.lock().objects.clone()
    }

    /// One resource in force.
    pub(crate) fn object(&self, id: &ObjectId) -> Option<Object> {
        self.lock().objects.get(id).cloned()
    }

    /// Takes the files as they are now. A mistake is told and changes nothing.
    pub(crate) fn files_changed(&self, loaded: Result<source::Documents, Vec<Problem>>) {
        let begun = Instant::now();
        let mut inner = self.lock();
        let tried = loaded.and_then(Files::new).and_then(|files| {
            let candidate = Candidate::new(&files, &inner.applied)?;
            Ok((files, candidate))
        });
        let reason = Reason::new(Owner::Files.as_str(), "");
        let written = tried.and_then(|(files, candidate)| {
            let written = inner.commit(&candidate, &reason, SystemTime::now());
            written.map_err(|error| vec![Origin::default().error(error.to_string()).with_code("store")])?;
            inner.files = files;
            Ok(candidate)
        });
        let candidate = match written {
            Ok(candidate) => candidate,
            Err(problems) if problems == inner.refused => return,
            Err(problems) => return self.refuse(&mut inner, problems),
        };
        let was_refused = !std::mem::take(&mut inner.refused).is_empty();
        let before = Arc::clone(&self.in_force.borrow());
        let published = self.publish(&mut inner, candidate, begun);
        if was_refused || published.world != before.world || published.warnings != before.warnings {
            self.reloads.count(false);
            let world = Arc::clone(&published.world);
            source::report(&State { world, warnings: published.warnings.clone(), refused: Vec::new() });
        }
    }

    /// Takes documents over the API: new resources, or other versions of those that it has. With `dry_run` it is only said
    /// what would become of them.
    ///
    /// # Errors
    /// The documents have errors, some belong to files, or the store cannot be written. Nothing is changed then.
    pub(crate) fn apply(
        &self,
        sources: &[Source],
        reason: &Reason,
        dry_run: bool,
    ) -> Result<Outcome, Refusal> {
        let begun = Instant::now();
        let mut named = BTreeMap::new();
        let mut problems = Vec::new();
        for source in sources {
            let documents = match split(source) {
                Ok(documents) => documents,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            for document in documents {
                compose::decode_document(source.name(), &document, &mut named, &mut problems);
                if named.len() > MAX_OBJECTS {
                    return Err(Refusal::TooMany(MAX_OBJECTS));
                }
            }
        }
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(Refusal::Problems(problems));
        }
        if named.is_empty() {
            return Err(Refusal::Empty);
        }
        let mut inner = self.lock();
        inner.not_of_files(named.keys())?;
        let ids: Vec<ObjectId> = named.keys().cloned().collect();
        let next = inner.revision + 1;
        for (id, one) in &mut named {
            one.created = inner.applied.get(id).map_or(next, |known| known.created);
        }
        let pieces: Vec<Piece<'_>> = named.iter().map(|(id, one)| (id, Some(one))).collect();
        if let Some(outcome) = self.amend(&mut inner, &pieces, reason, dry_run, begun) {
            return outcome;
        }
        let mut applied = inner.applied.clone();
        applied.extend(named);
        self.change(&mut inner, applied, &ids, reason, dry_run, begun)
    }

    /// Takes resources away that were applied over the API.
    ///
    /// # Errors
    /// As [`Changes::apply`], or one of them is not there.
    pub(crate) fn delete(
        &self,
        ids: &BTreeSet<ObjectId>,
        reason: &Reason,
        dry_run: bool,
    ) -> Result<Outcome, Refusal> {
        let begun = Instant::now();
        let mut inner = self.lock();
        if let Some(missing) = ids.iter().find(|id| !inner.objects.contains_key(id)) {
            return Err(Refusal::missing(missing, inner.objects.keys()));
        }
        inner.not_of_files(ids.iter())?;
        let pieces: Vec<Piece<'_>> = ids.iter().map(|id| (id, None)).collect();
        if let Some(outcome) = self.amend(&mut inner, &pieces, reason, dry_run, begun) {
            return outcome;
        }
        let mut applied = inner.applied.clone();
        applied.retain(|id, _| !ids.contains(id));
        self.change(&mut inner, applied, &[], reason, dry_run, begun)
    }

    /// Makes what was applied over the API what it was at `revision`, as a new revision.
    ///
    /// # Errors
    /// As [`Changes::apply`]; or the revision is not kept; or files would have to change, which are named.
    pub(crate) fn rollback(&self, revision: u64, reason: &Reason, dry_run: bool) -> Result<Outcome, Refusal> {
        let begun = Instant::now();
        let mut inner = self.lock();
        let applied = rollback::applied_at(&inner, revision)?;
        self.change(&mut inner, applied, &[], reason, dry_run, begun)
    }

    /// Tells why the files as they are now are not in force.
    fn refuse(&self, inner: &mut Inner, problems: Vec<Problem>) {
        inner.refused.clone_from(&problems);
        self.reloads.count(true);
        let before = Arc::clone(&self.in_force.borrow());
        let world = Arc::clone(&before.world);
        source::report(&State { world, warnings: Vec::new(), refused: problems.clone() });
        self.in_force.send_replace(Arc::new(InForce { refused: problems, ..InForce::clone(&before) }));
    }

    fn change(
        &self,
        inner: &mut Inner,
        applied: BTreeMap<ObjectId, Applied>,
        named: &[ObjectId],
        reason: &Reason,
        dry_run: bool,
        begun: Instant,
    ) -> Result<Outcome, Refusal> {
        let candidate = Candidate::new(&inner.files, &applied).map_err(Refusal::Problems)?;
        let before = Arc::clone(&self.in_force.borrow());
        let warnings = candidate.warnings.iter().filter(|one| !before.warnings.contains(one));
        let warnings = warnings.cloned().collect();
        let changes = candidate.changes(&inner.objects);
        let is_changed = |id: &&ObjectId| changes.iter().any(|change| change.id == **id);
        let unchanged = named.iter().filter(|id| !is_changed(id)).cloned().collect();
        let outcome = |revision| Outcome { revision, changes: changes.clone(), unchanged, warnings };
        if dry_run || changes.is_empty() {
            return Ok(outcome(inner.revision + u64::from(dry_run && !changes.is_empty())));
        }
        inner.commit(&candidate, reason, SystemTime::now())?;
        inner.applied = applied;
        let revision = inner.revision;
        self.publish(inner, candidate, begun);
        Ok(outcome(revision))
    }

    /// Puts a world in force that has been written down.
    fn publish(&self, inner: &mut Inner, candidate: Candidate, begun: Instant) -> Arc<InForce> {
        // What a file has taken over is its own from now on.
        let objects = &inner.objects;
        inner.applied.retain(|id, _| objects.get(id).is_some_and(|one| one.version.owner == Owner::Api));
        let before = Arc::clone(&self.in_force.borrow());
        let revision = inner.revision;
        let state = inner.state(candidate);
        let mut next = self.pinned.next(&state, revision, SystemTime::now(), begun);
        if next.world == before.world {
            next.world = Arc::clone(&before.world);
            next.since = before.since;
        }
        for warning in next.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
            if !state.warnings.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        let next = Arc::new(next);
        self.in_force.send_replace(Arc::clone(&next));
        next
    }

    /// Whatever panics, the values are whole between statements that can.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes down what `candidate` makes different. Memory follows only when the disk has it.
    fn commit(&mut self, candidate: &Candidate, reason: &Reason, at: SystemTime) -> Result<(), StoreError> {
        let changes = candidate.changes(&self.objects);
        let number = self.revision + u64::from(!changes.is_empty());
        let objects = candidate.objects(&self.objects, number);
        let gone = self.objects.keys().filter(|id| !objects.contains_key(id)).map(|id| (id, None));
        let different = objects.iter().filter(|(id, object)| self.objects.get(id) != Some(object));
        let different: Vec<_> = different.map(|(id, object)| (id, Some(object))).chain(gone).collect();
        if !changes.is_empty() {
            self.record(number, changes, &different, reason, at)?;
        } else if !different.is_empty() {
            self.store.refresh(&different)?;
        }
        self.revision = number;
        self.objects = objects;
        Ok(())
    }

    /// Writes a revision down and tells the log.
    fn record(
        &self,
        number: u64,
        changes: Vec<Change>,
        different: &[(&ObjectId, Option<&Object>)],
        reason: &Reason,
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let Reason { author, message } = reason.clone();
        let revision = Revision { number, at, author, message, changes };
        self.store.commit(&revision, different)?;
        for change in &revision.changes {
            tracing::info!(revision = number, author = revision.author, "{} {}", change.action(), change.id);
        }
        Ok(())
    }

    fn state(&self, candidate: Candidate) -> State {
        State {
            world: Arc::new(candidate.world),
            warnings: candidate.warnings,
            refused: self.refused.clone(),
        }
    }

    fn not_of_files<'a>(&self, ids: impl Iterator<Item = &'a ObjectId>) -> Result<(), Refusal> {
        let of_files = ids.filter_map(|id| {
            let version = self.files.version(id)?;
            Some((id.clone(), format!("{}:{}", version.file, version.line)))
        });
        let of_files: Vec<_> = of_files.collect();
        if of_files.is_empty() { Ok(()) } else { Err(Refusal::OfFiles(of_files)) }
    }
}
