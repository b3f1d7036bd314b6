//! What was in force at an earlier revision.

use std::collections::BTreeMap;

use super::compose::{Applied, decode_version};
use super::{Inner, Refusal};
use crate::store::{ObjectId, Owner, Version};

/// What has to be applied over the API so that the resources are what they were at `revision`: found by taking back every
/// later one, the newest first.
pub(super) fn applied_at(inner: &Inner, revision: u64) -> Result<BTreeMap<ObjectId, Applied>, Refusal> {
    let later = inner.store.revisions(u64::MAX, usize::MAX, |one| one.number > revision)?;
    // Each that is taken back must be kept; so must be none of those before.
    let oldest = inner.store.revisions(u64::MAX, usize::MAX, |_| true)?.last().map_or(0, |one| one.number);
    if revision == 0 || revision > inner.revision || revision + 1 < oldest {
        let oldest = oldest.saturating_sub(1).max(1);
        return Err(Refusal::NoRevision { wanted: revision, oldest, newest: inner.revision });
    }
    let versions = inner.objects.iter().map(|(id, object)| (id.clone(), object.version.clone()));
    let mut wanted: BTreeMap<ObjectId, Version> = versions.collect();
    for change in later.iter().flat_map(|revision| &revision.changes) {
        match &change.before {
            Some(before) => drop(wanted.insert(change.id.clone(), before.clone())),
            None => drop(wanted.remove(&change.id)),
        }
    }
    let differs =
        |id: &ObjectId, version: &Version| wanted.get(id).is_none_or(|one| one.text != version.text);
    let of_files = inner.files.versions().iter().filter(|(id, version)| differs(id, version));
    let of_files: Vec<_> =
        of_files.map(|(id, version)| (id.clone(), format!("{}:{}", version.file, version.line))).collect();
    if !of_files.is_empty() {
        return Err(Refusal::OfFiles(of_files));
    }
    let mut applied = BTreeMap::new();
    for (id, version) in wanted.iter().filter(|(id, _)| inner.files.version(id).is_none()) {
        let known = inner.applied.get(id).filter(|known| known.version.text == version.text);
        let one = match known {
            Some(known) => known.clone(),
            None => {
                let created = inner.objects.get(id).map_or(inner.revision + 1, |object| object.created);
                decode_version(id, &Version { owner: Owner::Api, ..version.clone() }, created)?
            }
        };
        applied.insert(id.clone(), one);
    }
    Ok(applied)
}
