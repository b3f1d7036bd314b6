//! What looks wrong across documents, and what to do about it. A pure function over documents or a world. What a document
//! may say is checked when it is read, and what keeps a mesh from running when the world is built; here is all of that, and
//! what runs but hardly as its author expects.

mod calls;
mod codes;
mod gateways;
mod json;
mod policies;
mod routes;
mod scopes;
mod tls;

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_yaml::{Problem, Severity, Source};

use crate::document::decode;
use crate::resource::{Kind, Metadata, ObjectKey, Resource};
use crate::translate::{ProxyRef, translate};
use crate::world::World;

pub use codes::{CODES, Code};

/// One thing that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of thing, see [`CODES`].
    pub code: &'static str,
    /// Whether it certainly breaks something.
    pub severity: Severity,
    /// The resource in which it stands, where that could be read.
    pub object: Option<(Kind, ObjectKey)>,
    /// Name of the file.
    pub file: Name,
    /// Line, from 1; 0: the file as a whole.
    pub line: u32,
    /// Column, from 1; 0: the file as a whole.
    pub column: u32,
    /// Path of the field; may be empty.
    pub path: Name,
    /// What is wrong.
    pub message: String,
    /// What to do about it, in one sentence.
    pub remedy: String,
}

/// Everything that looks wrong with the documents, in the order of the files. Where a document cannot be read, only that is
/// said: without it, half of what refers to it would look wrong.
pub fn analyze(sources: &[Source]) -> Vec<Finding> {
    let (mut resources, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        let (decoded, found) = decode(source);
        resources.extend(decoded);
        problems.extend(found);
    }
    let places = Places::of(resources.iter().map(|resource| (resource.kind(), resource.meta())));
    if !problems.iter().any(|problem| problem.severity == Severity::Error) {
        problems.extend(build_and_check(resources));
    }
    findings(problems, &places)
}

/// Everything that looks wrong with a world; `warnings` are those that came with it.
pub fn analyze_world(world: &World, warnings: &[Problem]) -> Vec<Finding> {
    let places = Places::of(world.resources().into_iter());
    let problems = warnings.iter().cloned().chain(check(world)).collect();
    findings(problems, &places)
}

fn build_and_check(resources: Vec<Resource>) -> Vec<Problem> {
    match World::build(resources) {
        Err(problems) => problems,
        Ok((world, mut problems)) => {
            problems.extend(check(&world));
            problems
        }
    }
}

/// What the world itself does not look at when it is built.
fn check(world: &World) -> Vec<Problem> {
    let mut problems = Vec::new();
    calls::check(world, &mut problems);
    gateways::check(world, &mut problems);
    policies::check(world, &mut problems);
    routes::check(world, &mut problems);
    scopes::check(world, &mut problems);
    tls::check(world, &mut problems);
    for instance in world.instances().filter(|instance| instance.workload.has_proxy()) {
        let key = instance.key();
        let proxy = ProxyRef::new(key.namespace.clone(), key.name.clone());
        // It is there and has a proxy.
        problems.extend(translate(world, &proxy).map(|(_, warnings)| warnings).unwrap_or_default());
    }
    problems
}

fn findings(mut problems: Vec<Problem>, places: &Places) -> Vec<Finding> {
    problems.sort_by_key(|problem| (problem.source.clone(), problem.line, problem.column));
    let mut findings: Vec<Finding> = Vec::with_capacity(problems.len());
    for problem in problems {
        let finding = finding(problem, places);
        // Several proxies may find the same.
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn finding(problem: Problem, places: &Places) -> Finding {
    let code = problem.code.unwrap_or(codes::OTHER);
    let remedy = problem.help.map(String::from);
    let usual = || codes::remedy(code).to_owned();
    Finding {
        code,
        severity: problem.severity,
        object: places.at(&problem.source, problem.line),
        file: problem.source,
        line: problem.line,
        column: problem.column,
        path: problem.path.into(),
        message: problem.message,
        remedy: remedy.unwrap_or_else(usual),
    }
}

/// Where resources begin.
struct Places(BTreeMap<Name, Vec<(u32, Kind, ObjectKey)>>);

impl Places {
    fn of<'a>(resources: impl Iterator<Item = (Kind, &'a Metadata)>) -> Places {
        let mut places: BTreeMap<Name, Vec<(u32, Kind, ObjectKey)>> = BTreeMap::new();
        for (kind, meta) in resources.filter(|(_, meta)| meta.origin.line > 0) {
            let of_file = places.entry(meta.origin.file.clone()).or_default();
            of_file.push((meta.origin.line, kind, meta.key.clone()));
        }
        places.values_mut().for_each(|of_file| of_file.sort_by_key(|(line, ..)| *line));
        Places(places)
    }

    /// The resource that a line is part of: the last that begins before it.
    fn at(&self, file: &str, line: u32) -> Option<(Kind, ObjectKey)> {
        let of_file = self.0.get(file)?;
        let after = of_file.partition_point(|(begin, ..)| *begin <= line);
        let (_, kind, key) = of_file.get(after.checked_sub(1)?)?;
        Some((*kind, key.clone()))
    }
}
