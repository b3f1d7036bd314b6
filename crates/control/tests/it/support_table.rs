//! docs/istio-support.md against what the documents of the corpus show: every field of Istio's kinds that is written there is
//! a row of its table, in force or not as reading says. `UPDATE_DOCS=1` writes the table anew.
//!
//! That the corpus has every field of Istio's reference is checked against `tests/istio-fields.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use ripstop_control::document::decode;
use ripstop_control::resource::Kind;
use ripstop_yaml::{Document, Node, Source, Value, code, parse, write};

use crate::support::repository;

const MARKER: &str = "<!-- what follows is written by a test -->\n";

/// Mappings whose keys are chosen by whoever writes them.
const FREE: [&str; 18] = [
    "labels",
    "matchLabels",
    "sourceLabels",
    "match[].headers",
    "withoutHeaders",
    "queryParams",
    "request.set",
    "request.add",
    "response.set",
    "response.add",
    "endpoints[].ports",
    "WorkloadEntry ports",
    "template.ports",
    "portLevelMtls",
    "annotations",
    "Gateway selector",
    "distribute[].to",
    "tagOverrides",
];

/// What was seen of a field.
#[derive(Default)]
struct Seen {
    in_force: bool,
    /// Why it is not, in the words of the warning.
    understood: BTreeSet<String>,
}

fn inputs() -> Vec<PathBuf> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = fs::read_dir(golden).unwrap().map(|case| case.unwrap().path().join("in.yaml"));
    let examples = fs::read_dir(repository().join("examples/istio")).unwrap();
    cases.chain(examples.map(|entry| entry.unwrap().path())).collect()
}

/// Each document of a kind of Istio's, alone.
fn documents() -> Vec<(Kind, Document)> {
    let mut found = Vec::new();
    for path in inputs() {
        let text = fs::read_to_string(&path).unwrap();
        let source = Source::new(path.display().to_string(), text);
        for document in parse(&source).unwrap() {
            let word = document.root.get("kind").and_then(Node::as_str).unwrap_or_default();
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
            let is_istio = |kind: &Kind| kind.api_versions()[0].contains("istio.io");
            found.extend(kind.filter(is_istio).map(|kind| (kind, document)));
        }
    }
    found
}

fn is_free(kind: Kind, path: &str) -> bool {
    FREE.iter().any(|free| match free.split_once(' ') {
        Some((of, name)) => kind.as_str() == of && path == name,
        None => path == *free || path.ends_with(&format!(".{free}")),
    })
}

/// Paths of the leaves below `node`, as they are in warnings and as they are in the table.
fn leaves(kind: Kind, node: &Node, exact: &str, shown: &str, found: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Mapping(entries) if !entries.is_empty() && !is_free(kind, shown) => {
            for entry in entries {
                let join = |path: &str| {
                    if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) }
                };
                leaves(kind, &entry.value, &join(exact), &join(shown), found);
            }
        }
        Value::Sequence(elements) if elements.iter().any(|one| matches!(one.value, Value::Mapping(_))) => {
            for (index, element) in elements.iter().enumerate() {
                leaves(kind, element, &format!("{exact}[{index}]"), &format!("{shown}[]"), found);
            }
        }
        _ => found.push((exact.to_owned(), shown.to_owned())),
    }
}

fn seen() -> BTreeMap<(Kind, String), Seen> {
    let mut seen: BTreeMap<(Kind, String), Seen> = BTreeMap::new();
    for (kind, document) in documents() {
        let text = write(std::slice::from_ref(&document));
        let (_, problems) = decode(&Source::new("in.yaml", text.as_str()));
        let understood: Vec<(String, String)> = problems
            .iter()
            .filter(|problem| {
                problem.code == Some(code::NOT_IN_FORCE) || problem.message.contains("not in force")
            })
            .map(|problem| {
                let path = problem.path.strip_prefix("spec.").unwrap_or_default().to_owned();
                let why = problem.message.split_once("not in force: ").map_or("", |(_, why)| why);
                (path, why.to_owned())
            })
            .collect();
        let mut found = Vec::new();
        if let Some(spec) = document.root.get("spec") {
            leaves(kind, spec, "", "", &mut found);
        }
        for (exact, shown) in found {
            let above = understood.iter().find(|(path, _)| {
                exact == *path
                    || exact.starts_with(&format!("{path}."))
                    || exact.starts_with(&format!("{path}["))
            });
            let Some((path, why)) = above else {
                seen.entry((kind, shown)).or_default().in_force = true;
                continue;
            };
            // What stands below a field that is not in force is part of it.
            let depth = path.split('.').count();
            let cut: Vec<&str> = shown.split('.').take(depth).collect();
            let mut cut = cut.join(".");
            if !path.ends_with(']') {
                cut = cut.trim_end_matches("[]").to_owned();
            }
            seen.entry((kind, cut)).or_default().understood.insert(why.clone());
        }
    }
    seen
}

fn table() -> String {
    let seen = seen();
    let mut text = String::new();
    let mut last = None;
    for ((kind, field), seen) in &seen {
        if last != Some(*kind) {
            let versions = kind.api_versions().join("`, `");
            text.push_str(&format!("\n## {kind}\n\nAs `{versions}`.\n\n| Field | | |\n|---|---|---|\n"));
            last = Some(*kind);
        }
        let status = match (seen.in_force, seen.understood.is_empty()) {
            (true, true) => "in force",
            (true, false) => "in force, in part",
            _ => "understood",
        };
        let why: Vec<&str> = seen.understood.iter().map(String::as_str).collect();
        text.push_str(&format!("| `{field}` | {status} | {} |\n", why.join("; ").replace('|', "\\|")));
    }
    text
}

#[test]
fn the_documentation_lists_every_field_as_it_is() {
    let path = repository().join("docs/istio-support.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, below) = text.split_once(MARKER).expect("the marker is there");
    let table = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{MARKER}{table}")).unwrap();
        return;
    }
    let differing = below.lines().zip(table.lines()).find(|(old, new)| old != new);
    assert!(below == table, "first difference {differing:?}; if this is what is meant: UPDATE_DOCS=1");
}

#[test]
fn the_corpus_has_every_field_of_istios_reference() {
    let reference =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/istio-fields.txt")).unwrap();
    let seen = seen();
    let has = |kind: Kind, field: &str| {
        seen.keys().any(|(of, shown)| {
            *of == kind
                && (shown == field
                    || shown.starts_with(&format!("{field}."))
                    || shown.starts_with(&format!("{field}["))
                    // Below a field that is not in force nothing is listed.
                    || field.starts_with(&format!("{shown}.")) || field.starts_with(&format!("{shown}[")))
        })
    };
    let (mut fields, mut missing, mut kind) = (0, Vec::new(), None);
    for line in reference.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(word) = line.strip_suffix(':') {
            kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
            continue;
        }
        for field in line.split_whitespace() {
            fields += 1;
            if !has(kind.unwrap(), field) {
                missing.push(format!("{} {field}", kind.unwrap()));
            }
        }
    }
    assert!(missing.is_empty(), "no document of the corpus has {missing:#?}");
    assert!(fields > 250, "only {fields} fields");
}

/// Documents of Istio's kinds, each with the configuration that comes of it written down.
#[test]
fn the_corpus_is_large() {
    let count = documents().len();
    assert!(count >= 150, "only {count} documents of Istio's kinds have golden translations");
}
