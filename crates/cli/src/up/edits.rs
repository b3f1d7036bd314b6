//! What `up` says about edits of the documents while the mesh runs: that one is in force, that one is refused and why, and
//! what of it waits for the next start. The control plane follows the same files by itself; nothing is changed from here.

use std::collections::BTreeMap;
use std::path::Path;

use ripstop_control::source::State;
use ripstop_yaml::Severity;

use crate::terminal::Tone;
use crate::up::plan::{Instance, Plan};

/// Edits of a mesh that runs as planned.
#[derive(Debug)]
pub struct Edits<'a> {
    running: &'a Plan,
    directory: &'a Path,
    /// Told last; not repeated with every edit.
    waiting: Vec<String>,
}

impl<'a> Edits<'a> {
    /// Nothing was edited since `running` was made. `directory` is what its programs are relative to.
    pub fn new(running: &'a Plan, directory: &'a Path) -> Self {
        Self { running, directory, waiting: Vec::new() }
    }

    /// What to say about the documents as they are now.
    pub fn tell(&mut self, state: &State) -> Vec<(Tone, String)> {
        if !state.refused.is_empty() {
            let mut lines =
                vec![(Tone::Bad, "the edit is refused; what was in force stays in force:".to_owned())];
            let errors = state.refused.iter().filter(|problem| problem.severity == Severity::Error);
            lines.extend(errors.map(|problem| (Tone::Bad, format!("  {problem}"))));
            return lines;
        }
        let mut lines = vec![(Tone::Good, "the documents have changed and are in force".to_owned())];
        lines.extend(state.warnings.iter().map(|warning| (Tone::Warning, format!("  warning: {warning}"))));
        let waiting = self.waiting_for_start(&Plan::new(&state.world, self.directory));
        if waiting != self.waiting {
            lines.extend(waiting.iter().map(|text| (Tone::Warning, format!("  {text}"))));
            self.waiting = waiting;
        }
        lines
    }

    /// What is written now and will be so when `up` is started again.
    fn waiting_for_start(&self, written: &Plan) -> Vec<String> {
        let mut found = Vec::new();
        let (old, new) = (&self.running.mesh, &written.mesh);
        let settings = [
            ("trustDomain", old.trust_domain == new.trust_domain),
            ("certificates", old.certificates == new.certificates),
            ("control", old.control == new.control),
        ];
        for (field, same) in settings {
            if !same {
                found
                    .push(format!("{field} of the Mesh stays as it was until `ripstop up` is started again"));
            }
        }
        let (old, new) = (by_name(self.running), by_name(written));
        for (name, instance) in &new {
            match old.get(name) {
                None => found.push(format!(
                    "workload {name} is new: nothing is started for it until `ripstop up` is started again"
                )),
                Some(running) if !same_processes(running, instance) => found.push(format!(
                    "the processes of workload {name} stay as they were started until `ripstop up` is started again"
                )),
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            found.push(format!("workload {name} is gone; its processes run on until `ripstop up` ends"));
        }
        found
    }
}

fn by_name(plan: &Plan) -> BTreeMap<&str, &Instance> {
    plan.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect()
}

/// Whether `up` would run the same: where a proxy listens is told it by the control plane.
fn same_processes(a: &Instance, b: &Instance) -> bool {
    let proxy = |instance: &Instance| {
        instance.proxy.as_ref().map(|proxy| (proxy.node.clone(), proxy.admin, proxy.concurrency))
    };
    a.identity == b.identity && a.app == b.app && proxy(a) == proxy(b)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_yaml::{Problem, Source};

    use super::*;
    use crate::up::plan::tests::{MESH, plan, world};

    fn told(edits: &mut Edits<'_>, text: &str) -> Vec<String> {
        let state = State::new(world(text), Vec::new());
        edits.tell(&state).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn an_edit_that_takes_effect_is_told_in_one_line() {
        let running = plan(MESH);
        let mut edits = Edits::new(&running, Path::new("/home/shop"));
        let in_force = "the documents have changed and are in force";
        assert_eq!(told(&mut edits, &MESH.replace("10000", "10001")), [in_force]);
    }

    #[test]
    fn what_waits_for_the_next_start_is_told_once() {
        let running = plan(MESH);
        let mut edits = Edits::new(&running, Path::new("/home/shop"));
        let text = MESH.replace("users-1", "users-2");
        let lines = told(&mut edits, &text);
        assert_eq!(
            lines[1..],
            [
                "  workload users-2 is new: nothing is started for it until `ripstop up` is started again",
                "  workload users-1 is gone; its processes run on until `ripstop up` ends",
            ]
        );
        assert_eq!(told(&mut edits, &text).len(), 1);
        let lines = told(&mut edits, &MESH.replace("9902", "9912"));
        assert!(
            lines[1].contains("the processes of workload users-1 stay as they were started"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_refused_edit_is_told_with_its_place() {
        let running = plan(MESH);
        let mut state = State::new(world(MESH), Vec::new());
        let source = Source::new("mesh.yaml", "");
        state.refused = vec![Problem::error(&source, "spec.weigth", None, "unknown field")];
        let lines = Edits::new(&running, Path::new("/home/shop")).tell(&state);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].1.contains("mesh.yaml: spec.weigth: unknown field"), "{lines:?}");
    }
}
