//! What is shown once the mesh is up: who runs, as whom, where, and what to try.

use std::collections::HashMap;

use crate::terminal::{Terminal, Tone};
use crate::up::addresses::Try;
use crate::up::jobs::proxy_name;
use crate::up::plan::{Instance, Plan};
use crate::up::state_dir::StateDir;

/// Stands where there is nothing to say.
const NOTHING: &str = "-";

/// The whole text that says that the mesh is up. `identities` are by process name.
pub fn render(
    terminal: &Terminal,
    plan: &Plan,
    identities: &HashMap<String, String>,
    tries: &[Try],
    state: &StateDir,
) -> String {
    let heading = |text: &str| terminal.paint(Tone::Strong, text);
    let mut text = String::from("\n");
    let rows: Vec<[String; 5]> = plan.instances.iter().map(|instance| row(instance, identities)).collect();
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

fn row(instance: &Instance, identities: &HashMap<String, String>) -> [String; 5] {
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
    let identity = identities.get(&proxy_name(instance)).cloned().unwrap_or_else(|| NOTHING.to_owned());
    // Whatever `up` starts was ready before the table is drawn; what others start was not asked.
    let state = match (&instance.app, instance.workload.gateway.is_some()) {
        (Some(_), _) | (None, true) => "ready",
        (None, false) => "sidecar ready",
    };
    [service, instance.name.clone(), proxy, identity, state.to_owned()]
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
