//! Changes as people see them: what is different, what is wrong, and how far it has come.

use std::time::Duration;

use http::Method;
use ripstop_yaml::Source;
use serde_json::Value;

use super::{Client, Refused};
use crate::documents::count;
use crate::failure::Failure;
use crate::output::{Output, cell, items};
use crate::problems;
use crate::terminal::{Terminal, Tone};

/// How a change is made and shown.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Wait for the proxies, so long.
    pub wait: Option<Duration>,
    /// The form.
    pub output: Output,
    /// With the lines that differ.
    pub diff: bool,
}

/// Makes a change and tells what became of it. `sources` are the texts that it is about, for drawing.
///
/// # Errors
/// It was refused, or proxies that were waited for have not accepted it.
pub async fn make(
    client: &Client,
    (method, path): (Method, &str),
    body: Option<&Value>,
    sources: &[Source],
    manner: Manner,
) -> Result<(), Failure> {
    let terminal = Terminal::stdout();
    let outcome = match client.call(method, path, body, Duration::ZERO).await? {
        Ok(outcome) => outcome,
        Err(refused) => return Err(refusal(&refused, sources)),
    };
    problems::show_json(items(&outcome["warnings"]), sources);
    if !manner.output.show(&terminal, &outcome) {
        tell(&terminal, &outcome, manner);
    }
    let revision = outcome["revision"].as_u64();
    match (manner.wait, revision) {
        (Some(wait), Some(revision)) if !manner.dry_run && outcome["changed"] == true => {
            wait_for(client, revision, wait, manner.output).await
        }
        _ => Ok(()),
    }
}

fn refusal(refused: &Refused, sources: &[Source]) -> Failure {
    let found = items(&refused.body["problems"]);
    if found.is_empty() {
        return refused.failure();
    }
    problems::show_json(found, sources);
    let errors = found.iter().filter(|problem| problem["severity"] == "error").count();
    Failure::new(format_args!("nothing was changed: {}, shown above", count(errors, "error")))
}

fn tell(terminal: &Terminal, outcome: &Value, manner: Manner) {
    for object in items(&outcome["objects"]) {
        let action = cell(&object["action"]);
        let tone = match action.as_str() {
            "unchanged" => Tone::Faint,
            "deleted" => Tone::Warning,
            _ => Tone::Good,
        };
        let name =
            format!("{} {}/{}", cell(&object["kind"]), cell(&object["namespace"]), cell(&object["name"]));
        terminal.line(&format!("{name}  {}", terminal.paint(tone, &action)));
        if manner.diff {
            terminal.text(&paint_diff(terminal, object["diff"].as_str().unwrap_or_default()));
        }
    }
    let line = match (outcome["changed"] == true, manner.dry_run) {
        (false, _) => "nothing is different".to_owned(),
        (true, true) => "nothing was changed: this was only tried".to_owned(),
        (true, false) => format!("revision {}", outcome["revision"]),
    };
    terminal.line(&line);
}

/// A unified diff with colours.
pub fn paint_diff(terminal: &Terminal, diff: &str) -> String {
    let paint = |line: &str| {
        let tone = match line.as_bytes().first() {
            _ if line.starts_with("---") || line.starts_with("+++") => Tone::Strong,
            Some(b'-') => Tone::Bad,
            Some(b'+') => Tone::Good,
            Some(b'@') => Tone::Faint,
            _ => return format!("{line}\n"),
        };
        format!("{}\n", terminal.paint(tone, line))
    };
    diff.lines().map(paint).collect()
}

/// Waits until every proxy that a revision concerns has accepted it.
///
/// # Errors
/// One has refused it, or not answered in time; they are named.
async fn wait_for(client: &Client, revision: u64, wait: Duration, output: Output) -> Result<(), Failure> {
    let path = format!("/api/v1/rollout/{revision}?wait_seconds={}", wait.as_secs().max(1));
    let rollout = client.wait_for(&path, wait).await?;
    let terminal = Terminal::stdout();
    let shown = output.show(&terminal, &rollout);
    let (accepted, concerned) = (cell(&rollout["accepted"]), cell(&rollout["concerned"]));
    if rollout["complete"] == true {
        if !shown {
            terminal.line(&complete(&rollout));
        }
        return Ok(());
    }
    let proxies = items(&rollout["proxies"]);
    let refused: Vec<String> =
        proxies.iter().filter(|proxy| proxy["state"] == "refused").flat_map(refusals).collect();
    if !refused.is_empty() {
        return Err(Failure::new(format_args!(
            "revision {revision} is in force, but refused by proxies ({accepted}/{concerned} have accepted it)\n{}",
            refused.join("\n")
        ))
        .with_help("proxies go on with what they had; mend the resource, or go back with `ripstop rollback`"));
    }
    let waiting: Vec<String> = proxies
        .iter()
        .filter(|proxy| proxy["state"] != "accepted")
        .map(|proxy| format!("{} ({})", name_of(proxy), cell(&proxy["state"])))
        .collect();
    Err(Failure::new(format_args!(
        "revision {revision} is in force, but only {accepted}/{concerned} proxies have accepted it within {} s; missing: {}",
        wait.as_secs(),
        waiting.join(", ")
    ))
    .with_help("`ripstop status` shows how each stands; a proxy that comes back gets it"))
}

fn complete(rollout: &Value) -> String {
    match (rollout["concerned"].as_u64(), rollout["slowest_ms"].as_f64()) {
        (Some(1..), Some(slowest)) => {
            format!("{}/{} proxies, slowest {slowest:.0} ms", rollout["accepted"], rollout["concerned"])
        }
        _ => "no connected proxy is concerned".to_owned(),
    }
}

/// What a proxy has refused, with the places of what it names.
pub fn refusals(proxy: &Value) -> Vec<String> {
    let refusal = |refusal: &Value| {
        let places: Vec<String> = items(&refusal["places"]).iter().map(place).collect();
        let from =
            if places.is_empty() { String::new() } else { format!("\n    from {}", places.join(", ")) };
        format!(
            "  {} refuses {}: {}{from}",
            name_of(proxy),
            cell(&refusal["type"]),
            cell(&refusal["message"])
        )
    };
    items(&proxy["refusals"]).iter().map(refusal).collect()
}

/// `workload.namespace`.
pub fn name_of(proxy: &Value) -> String {
    format!("{}.{}", cell(&proxy["workload"]), cell(&proxy["namespace"]))
}

/// `VirtualService default/shop spec.http[1] (traffic.yaml:31)`.
pub fn place(place: &Value) -> String {
    let path = match place["path"].as_str().unwrap_or_default() {
        "" => String::new(),
        path => format!(" {path}"),
    };
    let (kind, namespace, name) = (cell(&place["kind"]), cell(&place["namespace"]), cell(&place["name"]));
    let at = match place["line"].as_u64() {
        Some(0) | None => cell(&place["file"]),
        Some(line) => format!("{}:{line}", short_file(&cell(&place["file"]))),
    };
    format!("{kind} {namespace}/{name}{path} ({at})")
}

/// The last two parts of a long path: enough to know the file.
pub fn short_file(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').collect();
    match parts.as_slice() {
        [.., directory, name] if parts.len() > 3 => format!("…/{directory}/{name}"),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_end_of_a_wait_is_one_line() {
        let rollout = json!({"accepted": 14, "concerned": 14, "slowest_ms": 40.6});
        assert_eq!(complete(&rollout), "14/14 proxies, slowest 41 ms");
        assert_eq!(
            complete(&json!({"accepted": 0, "concerned": 0, "slowest_ms": null})),
            "no connected proxy is concerned"
        );
    }

    #[test]
    fn a_refusal_names_object_file_and_line() {
        let proxy = json!({"workload": "ingress", "namespace": "default", "refusals": [{
            "type": "RDS", "message": "bad regex",
            "places": [{"kind": "VirtualService", "namespace": "default", "name": "shop", "path": "spec.http[1]", "file": "/a/b/c/traffic.yaml", "line": 31}],
        }]});
        assert_eq!(
            refusals(&proxy),
            [
                "  ingress.default refuses RDS: bad regex\n    from VirtualService default/shop spec.http[1] (…/c/traffic.yaml:31)"
            ]
        );
    }
}
