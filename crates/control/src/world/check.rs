//! Resources against each other. Errors only where a mesh cannot run so; everything else that looks wrong is a warning.

pub(super) mod instances;
mod routing;
mod rules;
mod shadow;

use ripstop_yaml::{Problem, nearest};

use crate::world::{World, ports};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    instances::check(world, problems);
    ports::check(world, problems);
    routing::check(world, problems);
    rules::check(world, problems);
}

/// `problem` with the nearest of `candidates`, or else with all of them if they are few.
fn with_candidates<'a>(
    problem: Problem,
    word: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    const FEW: usize = 8;
    if let Some(near) = nearest(word, candidates.clone()) {
        return problem.with_help(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.take(FEW + 1).collect();
    if all.is_empty() || all.len() > FEW {
        return problem;
    }
    problem.with_help(format!("known are: {}", all.join(", ")))
}

/// `problem` with the name nearest to `host` among the services of `namespace`.
fn with_services(world: &World, problem: Problem, host: &str, namespace: &str) -> Problem {
    if host.contains('.') {
        return problem;
    }
    let services = world.services.keys().filter(|key| &*key.namespace == namespace);
    with_candidates(problem, host, services.map(|key| &*key.name))
}
