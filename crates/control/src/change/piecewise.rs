//! Changes of workloads and workload entries over the API, which come often and one by one: nothing is read, checked or compared
//! but what they are about. A change that has to be refused or warned of, or that takes a warning away, is none of these: it
//! goes the way of all others.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::compose::Applied;
use super::{Changes, Inner, Outcome, Reason, Refusal};
use crate::resource::{Kind, ObjectKey, Resource};
use crate::serve::InForce;
use crate::store::{Change, Object, ObjectId, StoreError};
use crate::world::Amendment;

/// A resource as it shall be; `None`: it goes.
pub(super) type Piece<'a> = (&'a ObjectId, Option<&'a Applied>);

impl Changes {
    /// Puts the pieces in force, or with `dry_run` says what would become of them. `None`: this is not a change of this kind.
    pub(super) fn amend(
        &self,
        inner: &mut Inner,
        named: &[Piece<'_>],
        reason: &Reason,
        dry_run: bool,
        begun: Instant,
    ) -> Option<Result<Outcome, Refusal>> {
        if !named.iter().all(|piece| inner.is_simple(piece)) {
            return None;
        }
        let (different, same): (Vec<Piece<'_>>, Vec<Piece<'_>>) =
            named.iter().partition(|piece| inner.is_different(piece));
        let unchanged = same.iter().map(|(id, _)| ObjectId::clone(id)).collect();
        let changes: Vec<Change> = different.iter().map(|piece| inner.change_of(piece)).collect();
        let revision = inner.revision + u64::from(!changes.is_empty());
        let outcome = Outcome { revision, changes: changes.clone(), unchanged, warnings: Vec::new() };
        if changes.is_empty() {
            return Some(Ok(outcome));
        }
        let before = Arc::clone(&self.in_force.borrow());
        let amendments = different.iter().map(amendment).collect::<Option<Vec<_>>>()?;
        let world = before.world.amended(amendments)?;
        if dry_run {
            return Some(Ok(outcome));
        }
        let now = SystemTime::now();
        if let Err(error) = inner.take(&different, revision, changes, reason, now) {
            return Some(Err(error.into()));
        }
        let next = InForce { revision, world: Arc::new(world), since: now, begun, ..InForce::clone(&before) };
        self.in_force.send_replace(Arc::new(next));
        Some(Ok(outcome))
    }
}

impl Inner {
    /// Whether a piece is of the right kind, and nobody warns of it, neither as it is nor as it was.
    fn is_simple(&self, (id, one): &Piece<'_>) -> bool {
        let before = self.applied.get(id);
        matches!(id.kind, Kind::Workload | Kind::WorkloadEntry)
            && [*one, before].into_iter().flatten().all(|one| one.warnings.is_empty())
    }

    fn is_different(&self, (id, one): &Piece<'_>) -> bool {
        match (self.objects.get(id), one) {
            (Some(known), Some(one)) => !known.version.is_same_as(&one.version),
            (known, one) => known.is_some() || one.is_some(),
        }
    }

    fn change_of(&self, (id, one): &Piece<'_>) -> Change {
        Change {
            id: ObjectId::clone(id),
            before: self.objects.get(id).map(|object| object.version.clone()),
            after: one.map(|one| one.version.clone()),
        }
    }

    /// Writes pieces down as a revision. Memory follows only when the disk has it.
    fn take(
        &mut self,
        pieces: &[Piece<'_>],
        revision: u64,
        changes: Vec<Change>,
        reason: &Reason,
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let object = |(id, one): &Piece<'_>| {
            let created = self.objects.get(id).map(|known| known.created);
            one.map(|one| Object {
                version: one.version.clone(),
                created: created.unwrap_or(one.created),
                revision,
            })
        };
        let objects: Vec<Option<Object>> = pieces.iter().map(object).collect();
        let ids = pieces.iter().map(|(id, _)| *id);
        let different: Vec<_> = ids.zip(objects.iter().map(Option::as_ref)).collect();
        self.record(revision, changes, &different, reason, at)?;
        self.revision = revision;
        for ((id, one), object) in pieces.iter().zip(objects) {
            match (one, object) {
                (Some(one), Some(object)) => {
                    self.objects.insert(ObjectId::clone(id), object);
                    self.applied.insert(ObjectId::clone(id), Applied::clone(one));
                }
                _ => {
                    self.objects.remove(id);
                    self.applied.remove(id);
                }
            }
        }
        Ok(())
    }
}

fn amendment((id, one): &Piece<'_>) -> Option<(ObjectKey, Amendment)> {
    let amendment = match (id.kind, one.map(|one| &*one.resource)) {
        (Kind::Workload, None) => Amendment::Workload(None),
        (Kind::WorkloadEntry, None) => Amendment::Entry(None),
        (_, Some(Resource::Workload(workload))) => Amendment::Workload(Some(workload.clone())),
        (_, Some(Resource::WorkloadEntry(entry))) => Amendment::Entry(Some(entry.clone())),
        _ => return None,
    };
    Some((id.key.clone(), amendment))
}
