//! What is shown once the mesh is up: who runs, as whom, where, and what to try.

use crate::terminal::{Terminal, Tone};
use crate::up::addresses::Try;
use crate::up::plan::{Instance, Plan};
use crate::up::state_dir::StateDir;

/// Stands where there is nothing to say.
const NOTHING: &str = "-";

/// The whole text that says that the mesh is up.
pub fn render(terminal: &Terminal, plan: &Plan, tries: &[Try], state: &StateDir) -> String {
    let heading = |text: &str| terminal.paint(Tone::Strong, text);
    let mut text = String::from("\n");
    let rows: Vec<[String; 5]> = plan.instances.iter().map(row).collect();
    text.push_str(&columns(terminal, &rows));
    for Try { title, lines } in tries {
        text.push_str(&format!("\n{}\n", heading(&format!("Try {title}:"))));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    let control = plan.mesh.control;
    let places = [
        ("Control plane", format!("xDS on {}, API on http://{}", control.xds, control.api)),
        ("State", state.root().display().to_string()),
        ("Logs", state.logs().display().to_string()),
    ];
    text.push('\n');
    for (name, place) in places {
        text.push_str(&format!("{}  {place}\n", heading(&format!("{name:<13}"))));
    }
    text.push_str(&format!("\n{}", terminal.paint(Tone::Good, "Ctrl-C stops everything")));
    text
}

fn row(instance: &Instance) -> [String; 5] {
    let service = match &instance.workload.service {
        Some(service) => service.to_string(),
        None if instance.workload.gateway.is_some() => "(gateway)".to_owned(),
        None => NOTHING.to_owned(),
    };
    let proxy = instance.proxy.as_ref().map(|proxy| {
        let listens: Vec<String> = proxy.listens.iter().map(ToString::to_string).collect();
        listens.join(", ")
    });
    let proxy = proxy.filter(|listens| !listens.is_empty()).unwrap_or_else(|| NOTHING.to_owned());
    // Without a proxy there is nobody who could prove it.
    let identity = if instance.proxy.is_some() { instance.identity.as_str() } else { NOTHING };
    // Whatever `up` starts was ready before the table is drawn; what others start was not asked.
    let state = match (&instance.app, instance.workload.gateway.is_some()) {
        (Some(_), _) | (None, true) => "ready",
        (None, false) => "sidecar ready",
    };
    [service, instance.name.clone(), proxy, identity.to_owned(), state.to_owned()]
}

fn columns(terminal: &Terminal, rows: &[[String; 5]]) -> String {
    let head = ["SERVICE", "INSTANCE", "SIDECAR", "IDENTITY", "STATE"];
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; 5]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = terminal.paint(Tone::Strong, &line(head));
    text.push('\n');
    for row in rows {
        let [service, instance, proxy, identity, state] = row.each_ref().map(String::as_str);
        let plain = line([service, instance, proxy, identity, state]);
        let before = plain.strip_suffix(state).unwrap_or(&plain);
        text.push_str(&format!("{before}{}\n", terminal.paint(Tone::Good, state)));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::up::addresses::tries;
    use crate::up::plan::tests::{MESH, plan, world};
    use crate::up::state_dir::tests::Scratch;

    #[test]
    fn the_table_names_who_runs_where_as_whom() {
        let (scratch, plan) = (Scratch::new(), plan(MESH));
        let state = StateDir::open(scratch.0.clone()).unwrap();
        let text = render(&Terminal::plain(), &plan, &tries(&plan, &world(MESH)), &state);
        let text = text.replace(&*scratch.0.to_string_lossy(), "STATE");
        let expected = "
SERVICE    INSTANCE  SIDECAR          IDENTITY                                    STATE
(gateway)  edge      127.0.0.1:10000  spiffe://cluster.local/ns/default/sa/edge   ready
users      users-1   127.0.0.1:15001  spiffe://cluster.local/ns/default/sa/users  ready

Try gateway edge on 127.0.0.1:10000:
  curl -s http://127.0.0.1:10000/api/users
  curl -s 'http://127.0.0.1:10000/it'\\''s'

Control plane  xDS on 127.0.0.1:15012, API on http://127.0.0.1:15014
State          STATE
Logs           STATE/logs

Ctrl-C stops everything";
        assert_eq!(text, expected);
    }
}
