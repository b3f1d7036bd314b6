//! Files and what was applied over the API, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_yaml::{Problem, Severity, Source};

use super::Refusal;
use super::files::Files;
use crate::document;
use crate::resource::Resource;
use crate::source;
use crate::store::{Change, DocumentText, Object, ObjectId, Owner, Version};
use crate::world::World;

/// A resource that was applied over the API.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) version: Version,
    pub(super) resource: Arc<Resource>,
    pub(super) warnings: Arc<[Problem]>,
    /// The revision that brought it.
    pub(super) created: u64,
}

/// What would be in force.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) world: World,
    pub(super) warnings: Vec<Problem>,
    /// The text of each resource, and the revision that brought it where that is known.
    versions: BTreeMap<ObjectId, (Version, Option<u64>)>,
}

impl Candidate {
    /// Puts both together. Of a resource that both have, the one of the files counts.
    pub(super) fn new(
        files: &Files,
        applied: &BTreeMap<ObjectId, Applied>,
    ) -> Result<Candidate, Vec<Problem>> {
        let mut resources = files.resources().to_vec();
        let mut warnings = files.warnings().to_vec();
        let of_files = files.versions().iter().map(|(id, version)| (id.clone(), (version.clone(), None)));
        let mut versions: BTreeMap<_, _> = of_files.collect();
        let mut in_order: Vec<(&ObjectId, &Applied)> =
            applied.iter().filter(|(id, _)| files.version(id).is_none()).collect();
        // The order counts between rules with an equal claim.
        in_order.sort_by_key(|(id, one)| (one.created, *id));
        for (id, one) in in_order {
            resources.push(Resource::clone(&one.resource));
            warnings.extend(one.warnings.iter().cloned());
            versions.insert(id.clone(), (one.version.clone(), Some(one.created)));
        }
        let (world, warnings) = source::build(resources, warnings)?;
        Ok(Candidate { world, warnings, versions })
    }

    /// What would be different from `objects`.
    pub(super) fn changes(&self, objects: &BTreeMap<ObjectId, Object>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, object) in objects {
            let after = self.versions.get(id).map(|(version, _)| version);
            if after.is_none_or(|after| !after.is_same_as(&object.version)) {
                let before = Some(object.version.clone());
                changes.push(Change { id: id.clone(), before, after: after.cloned() });
            }
        }
        for (id, (version, _)) in self.versions.iter().filter(|(id, _)| !objects.contains_key(id)) {
            changes.push(Change { id: id.clone(), before: None, after: Some(version.clone()) });
        }
        changes.sort_by(|a, b| a.id.cmp(&b.id));
        changes
    }

    /// The resources as they are after `revision`, which makes `before` what is wanted.
    pub(super) fn objects(
        &self,
        before: &BTreeMap<ObjectId, Object>,
        revision: u64,
    ) -> BTreeMap<ObjectId, Object> {
        let object = |(id, (version, created)): (&ObjectId, &(Version, Option<u64>))| {
            let known = before.get(id);
            let same = known.filter(|known| known.version.is_same_as(version));
            let object = Object {
                version: version.clone(),
                created: known.map(|known| known.created).or(*created).unwrap_or(revision),
                revision: same.map_or(revision, |same| same.revision),
            };
            (id.clone(), object)
        };
        self.versions.iter().map(object).collect()
    }
}

/// Reads again what was applied before this process started.
pub(super) fn decode_applied(
    objects: &BTreeMap<ObjectId, Object>,
) -> Result<BTreeMap<ObjectId, Applied>, Refusal> {
    let of_api = objects.iter().filter(|(_, object)| object.version.owner == Owner::Api);
    of_api
        .map(|(id, object)| Ok((id.clone(), decode_version(id, &object.version, object.created)?)))
        .collect()
}

/// Reads a version that was accepted at some time.
pub(super) fn decode_version(id: &ObjectId, version: &Version, created: u64) -> Result<Applied, Refusal> {
    let source = Source::new(Arc::clone(&version.file), Arc::clone(&version.text));
    let (resources, problems) = document::decode(&source.starting_at_line(version.line));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Refusal::Problems(problems));
    }
    let found = resources.into_iter().find(|resource| ObjectId::of(resource) == *id);
    let resource = found.ok_or_else(|| Refusal::NotInText(id.clone()))?;
    let version = Version { owner: Owner::Api, ..version.clone() };
    Ok(Applied { version, resource: Arc::new(resource), warnings: problems.into(), created })
}

/// Reads one document of a request into `named`.
pub(super) fn decode_document(
    file: &Arc<str>,
    document: &DocumentText,
    named: &mut BTreeMap<ObjectId, Applied>,
    problems: &mut Vec<Problem>,
) {
    let source = Source::new(Arc::clone(file), document.text.as_str()).starting_at_line(document.line);
    let (resources, found) = document::decode(&source);
    let warnings: Arc<[Problem]> =
        found.iter().filter(|problem| problem.severity == Severity::Warning).cloned().collect();
    problems.extend(found);
    for resource in resources {
        let id = ObjectId::of(&resource);
        let origin = &resource.meta().origin;
        if let Some(earlier) = named.get(&id) {
            let help = format!("the first is at {}:{}", earlier.version.file, earlier.version.line);
            let message = format!("{id} is written twice");
            problems.push(origin.error(message).with_help(help).with_code("duplicate"));
            continue;
        }
        let version = Version {
            owner: Owner::Api,
            file: Arc::clone(file),
            line: document.line,
            text: document.text.as_str().into(),
        };
        let (resource, warnings) = (Arc::new(resource), Arc::clone(&warnings));
        named.insert(id, Applied { version, resource, warnings, created: 0 });
    }
}
