//! The files as they are in force: their resources, and the text of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_yaml::{Problem, Source};

use crate::resource::Resource;
use crate::source::{self, Documents};
use crate::store::{DocumentText, Object, ObjectId, Owner, Version, split};

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Files {
    documents: Documents,
    versions: BTreeMap<ObjectId, Version>,
}

impl Files {
    /// Finds the text of each resource.
    pub(super) fn new(documents: Documents) -> Result<Files, Vec<Problem>> {
        let mut texts: BTreeMap<Arc<str>, Vec<DocumentText>> = BTreeMap::new();
        for source in &documents.sources {
            texts.insert(Arc::clone(source.name()), split(source).map_err(|problem| vec![problem])?);
        }
        let mut versions = BTreeMap::new();
        for resource in &documents.resources {
            let origin = &resource.meta().origin;
            let of_file = texts.get(&*origin.file).map(Vec::as_slice).unwrap_or_default();
            let behind = of_file.partition_point(|document| document.line <= origin.line);
            let document = behind.checked_sub(1).and_then(|index| of_file.get(index));
            let version = Version {
                owner: Owner::Files,
                file: origin.file.to_string().into(),
                line: document.map_or(origin.line, |document| document.line),
                text: document.map_or_else(|| "".into(), |document| document.text.as_str().into()),
            };
            versions.insert(ObjectId::of(resource), version);
        }
        Ok(Files { documents, versions })
    }

    /// The files as they were when they were last in force, as the store has them.
    pub(super) fn remembered(objects: &BTreeMap<ObjectId, Object>) -> Result<Files, Vec<Problem>> {
        let versions = objects.values().map(|object| &object.version);
        let mut versions: Vec<&Version> = versions.filter(|one| one.owner == Owner::Files).collect();
        versions.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        // Several resources may come from one document.
        versions.dedup_by(|a, b| (&a.file, a.line) == (&b.file, b.line));
        let sources = versions.into_iter().map(|version| {
            Source::new(Arc::clone(&version.file), Arc::clone(&version.text)).starting_at_line(version.line)
        });
        let documents = source::decode(sources.collect())?;
        let is_of_files = |object: &&Object| object.version.owner == Owner::Files;
        let kept = objects.iter().filter(|(_, object)| is_of_files(object));
        let versions = kept.map(|(id, object)| (id.clone(), object.version.clone())).collect();
        Ok(Files { documents, versions })
    }

    /// What is written in them, in their order.
    pub(super) fn resources(&self) -> &[Resource] {
        &self.documents.resources
    }

    /// Warnings about single documents.
    pub(super) fn warnings(&self) -> &[Problem] {
        &self.documents.warnings
    }

    /// The text of each resource.
    pub(super) fn versions(&self) -> &BTreeMap<ObjectId, Version> {
        &self.versions
    }

    /// The text of one resource, if the files have it.
    pub(super) fn version(&self, id: &ObjectId) -> Option<&Version> {
        self.versions.get(id)
    }
}
