//! What was encoded, each once: equal resources of different proxies are one resource, and equal types one type. What nobody
//! holds any more is let go when enough has been added.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_xds::encoded::{EncodedResource, EncodedType, Source};
use ripstop_xds::{EncodedSnapshot, ResourceType};

/// As many additions go by before it is looked what nobody holds any more; more, if more is held.
const MIN_ADDITIONS: usize = 1_024;

/// Resources by name; `None` takes one away.
pub(super) type Changes = BTreeMap<Name, Option<Arc<EncodedResource>>>;

/// Everything that was encoded.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// By type and name; of one name as many as there are proxies that see something different under it.
    resources: HashMap<(ResourceType, Name), Vec<Arc<EncodedResource>>>,
    /// By type and version.
    types: HashMap<(ResourceType, String), Arc<EncodedType>>,
    /// What became of types in the change that is being made.
    patches: Vec<Patch>,
    additions: usize,
    held: usize,
}

#[derive(Debug)]
struct Patch {
    before: Arc<EncodedType>,
    changes: Changes,
    after: Arc<EncodedType>,
}

impl Pool {
    /// The resource for a value: one that is there, or a new one.
    pub(super) fn resource(&mut self, source: Source) -> Arc<EncodedResource> {
        let same = |known: &&Arc<EncodedResource>| {
            known.source().is_some_and(|old| old.is(&source) || *old == source)
        };
        let named = self.resources.entry((source.kind(), source.name().clone())).or_default();
        if let Some(known) = named.iter().find(same) {
            return Arc::clone(known);
        }
        named.retain(|known| Arc::strong_count(known) > 1);
        let fresh = Arc::new(EncodedResource::new(source));
        named.push(Arc::clone(&fresh));
        self.additions += 1;
        fresh
    }

    /// All resources of a type, after those of `previous`: a type that is there, or a new one.
    pub(super) fn of_type(
        &mut self,
        kind: ResourceType,
        resources: BTreeMap<Name, Arc<EncodedResource>>,
        previous: Option<&EncodedSnapshot>,
    ) -> Arc<EncodedType> {
        let before = previous.map(|previous| previous.of(kind));
        let fresh = EncodedType::following(resources, before);
        if before.is_some_and(|before| Arc::ptr_eq(before, &fresh)) {
            return fresh;
        }
        let known = self.types.entry((kind, fresh.version.clone())).or_insert_with(|| Arc::clone(&fresh));
        if **known == *fresh { Arc::clone(known) } else { fresh }
    }

    /// A type with some changes, which many snapshots may need that hold the same one.
    pub(super) fn changed(&mut self, before: &Arc<EncodedType>, changes: Changes) -> Arc<EncodedType> {
        let done = self.patches.iter().find(|patch| Arc::ptr_eq(&patch.before, before) && patch.is(&changes));
        if let Some(done) = done {
            return Arc::clone(&done.after);
        }
        let after = before.with(&changes);
        self.patches.push(Patch { before: Arc::clone(before), changes, after: Arc::clone(&after) });
        after
    }

    /// A change has been made. Says whether enough was added since the last time that it is worth to [`Pool::tidy`].
    pub(super) fn finish(&mut self) -> bool {
        self.patches.clear();
        self.additions + self.types.len() > MIN_ADDITIONS.max(2 * self.held)
    }

    /// Lets go of what nobody else holds.
    pub(super) fn tidy(&mut self) {
        self.types.retain(|_, known| Arc::strong_count(known) > 1);
        self.resources.retain(|_, named| {
            named.retain(|known| Arc::strong_count(known) > 1);
            !named.is_empty()
        });
        self.additions = 0;
        self.held = self.types.len() + self.resources.values().map(Vec::len).sum::<usize>();
    }
}

impl Patch {
    fn is(&self, changes: &Changes) -> bool {
        let same = |(a, b): (&Option<Arc<EncodedResource>>, &Option<Arc<EncodedResource>>)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.changes.len() == changes.len()
            && self.changes.keys().eq(changes.keys())
            && self.changes.values().zip(changes.values()).all(same)
    }
}
