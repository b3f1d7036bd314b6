//! Where documents come from, and what is in force when they change.

mod files;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ripstop_yaml::{Problem, Severity, Source};

use crate::document;
use crate::resource::Resource;
use crate::world::World;

pub use files::{MAX_FILES, read};
pub(crate) use watch::report;
pub use watch::{Watch, WatchError, follow, watch};

/// What is in force, and what was refused since.
#[derive(Clone, Debug)]
pub struct State {
    /// The last good world.
    pub world: Arc<World>,
    /// Warnings about it.
    pub warnings: Vec<Problem>,
    /// Why the documents as they now are do not replace it; empty if they are what is in force.
    pub refused: Vec<Problem>,
}

impl State {
    /// A world that has just been loaded.
    pub fn new(world: World, warnings: Vec<Problem>) -> State {
        State { world: Arc::new(world), warnings, refused: Vec::new() }
    }

    /// The state after loading again; `None` if nothing has changed.
    fn after(&self, loaded: Result<(World, Vec<Problem>), Vec<Problem>>) -> Option<State> {
        match loaded {
            Ok((world, warnings)) if world == *self.world => {
                let changed = warnings != self.warnings || !self.refused.is_empty();
                changed.then(|| State { world: self.world.clone(), warnings, refused: Vec::new() })
            }
            Ok((world, warnings)) => Some(State::new(world, warnings)),
            Err(refused) if refused == self.refused => None,
            Err(refused) => Some(State { refused, ..self.clone() }),
        }
    }
}

/// Documents as they were read, before they are made a world.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The texts.
    pub sources: Vec<Source>,
    /// What is written in them, in their order.
    pub resources: Vec<Resource>,
    /// Warnings about them.
    pub warnings: Vec<Problem>,
}

/// Reads all documents below `paths` and makes a world of them; with it come warnings, in the order of the files.
///
/// # Errors
/// As [`documents`] and [`build`].
pub fn load(paths: &[PathBuf]) -> Result<(World, Vec<Problem>), Vec<Problem>> {
    let Documents { resources, warnings, .. } = documents(paths)?;
    build(resources, warnings)
}

/// Reads all documents below `paths`.
///
/// # Errors
/// Every problem of every file, the warnings among them, if at least one is an error. That there is no document at all is
/// one: the path is wrong, or somebody is just replacing the files, and no running mesh should lose everything by that.
pub fn documents(paths: &[PathBuf]) -> Result<Documents, Vec<Problem>> {
    let found = decode(read(paths)?)?;
    if found.resources.is_empty() {
        return Err(paths.iter().map(|path| empty(path)).collect());
    }
    Ok(found)
}

/// Reads the documents of texts.
///
/// # Errors
/// Every problem of every text, if at least one is an error.
pub fn decode(sources: Vec<Source>) -> Result<Documents, Vec<Problem>> {
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for source in &sources {
        let (decoded, found) = document::decode(source);
        resources.extend(decoded);
        problems.extend(found);
    }
    // With a document missing, half of what refers to it would look wrong.
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    Ok(Documents { sources, resources, warnings: problems })
}

/// Makes a world of resources whose documents have been warned of as in `warnings`.
///
/// # Errors
/// Every problem, the warnings among them, if the resources do not go together.
pub fn build(
    resources: Vec<Resource>,
    mut warnings: Vec<Problem>,
) -> Result<(World, Vec<Problem>), Vec<Problem>> {
    let mut in_order = |more: Vec<Problem>| {
        warnings.extend(more);
        warnings.sort_by_key(|problem| (problem.source.clone(), problem.line, problem.column));
        std::mem::take(&mut warnings)
    };
    match World::build(resources) {
        Ok((world, more)) => Ok((world, in_order(more))),
        Err(more) => Err(in_order(more)),
    }
}

fn empty(path: &Path) -> Problem {
    let (message, help) = match path.is_dir() {
        true => {
            ("there are no documents in this directory", "files are read that end in .yaml, .yml or .json")
        }
        false => ("there are no documents in this file", "a document begins with `apiVersion` and `kind`"),
    };
    let source = Source::new(path.display().to_string(), "");
    Problem::error(&source, "", None, message).with_code("empty").with_help(help)
}
