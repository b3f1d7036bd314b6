//! Documents against the repository: links lead somewhere, named files are there, tables name what the code has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::files::{self, Text};
use crate::report;

/// Where paths that are written in backticks begin.
const FOLDERS: [&str; 6] = ["crates/", "docs/", "e2e/", "examples/", ".ci/", "fuzz/"];

/// Where the paths begin that ARCHITECTURE.md follows a request through.
const PROXY: &str = "crates/proxy/src";

fn markdown() -> impl Iterator<Item = &'static Text> {
    files::texts().iter().filter(|text| text.is(".md"))
}

/// Lines outside fenced code, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The targets of `[text](target)` in a line, those within backticks left out.
fn links(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for outside in line.split('`').step_by(2) {
        let parts = outside.split("](").skip(1);
        found.extend(parts.filter_map(|part| part.split_once(')')).map(|(target, _)| target));
    }
    // A link whose text is in backticks is cut in two: its target begins what follows.
    let after = line.split('`').skip(2).step_by(2).filter_map(|part| part.strip_prefix("]("));
    found.extend(after.filter_map(|part| part.split_once(')')).map(|(target, _)| target));
    found.sort_unstable();
    found.dedup();
    found
}

/// What is written between single backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The anchor that a heading gets on the usual forges.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .collect::<String>()
        .replace(' ', "-")
}

fn has_anchor(text: &str, wanted: &str) -> bool {
    prose(text).iter().any(|(_, line)| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn links_lead_somewhere() {
    let root = files::root();
    let mut findings = Vec::new();
    for text in markdown() {
        let directory = root.join(&text.path).parent().map(Path::to_path_buf).unwrap_or_default();
        for (number, line) in prose(&text.content) {
            for target in links(line) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
                let file = if path.is_empty() { root.join(&text.path) } else { directory.join(path) };
                let reached = file.exists()
                    && (fragment.is_empty()
                        || fs::read_to_string(&file).is_ok_and(|text| has_anchor(&text, fragment)));
                if !reached {
                    findings.push(format!("{}:{number}: {target}", text.path));
                }
            }
        }
    }
    report(&findings, "These links lead nowhere: mend the path or the heading.");
}

#[test]
fn named_files_are_there() {
    let root = files::root();
    let mut findings = Vec::new();
    for text in markdown() {
        for (number, line) in prose(&text.content) {
            for word in quoted(line) {
                let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder));
                let plain = !word.contains([' ', '*', '{', '<', '…']) && !word.contains("NNNN");
                let path = word.split([':', '#']).next().unwrap_or_default();
                // The life of a request is told in paths below the proxy's sources.
                let in_proxy = text.path == "ARCHITECTURE.md" && path.ends_with(".rs");
                let there = root.join(path).exists() || (in_proxy && root.join(PROXY).join(path).exists());
                if (is_path || in_proxy) && plain && !there {
                    findings.push(format!("{}:{number}: {word}", text.path));
                }
            }
        }
    }
    report(&findings, "These files are named and not there: name the one that has their content now.");
}

#[test]
fn limits_are_where_the_table_says() {
    let root = files::root();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let (mut findings, mut rows) = (Vec::new(), 0);
    for (number, line) in prose(&text).into_iter().filter(|(_, line)| line.starts_with('|')) {
        let words: Vec<&str> = quoted(line).collect();
        let is_constant = |word: &&&str| {
            word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let Some(file) = words.iter().find(|word| word.ends_with(".rs")) else { continue };
        let content = fs::read_to_string(root.join(file)).unwrap_or_default();
        for constant in words.iter().filter(is_constant) {
            rows += 1;
            if !content.contains(&format!("const {constant}:")) {
                findings.push(format!("ARCHITECTURE.md:{number}: {constant} is not in {file}"));
            }
        }
    }
    assert!(rows > 20, "the table of limits in ARCHITECTURE.md names only {rows} constants");
    report(&findings, "Name the constant and the file that hold the limit now.");
}

/// The string literals of a file for which `wanted` holds, tests left out.
fn literals(path: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let text = fs::read_to_string(files::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split('"').skip(1).step_by(2).filter(|word| wanted(word)).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_documented() {
    let is_metric = |word: &str| {
        let prefixes = ["upstream_", "downstream_", "lb_", "no_", "ssl_", "envoy_", "ripstop_"];
        prefixes.iter().any(|prefix| word.starts_with(prefix))
            && !word.ends_with('_')
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let files = ["crates/proxy/src/stats/prometheus.rs", "crates/control/src/api/metrics.rs"];
    documented(&files, is_metric, "docs/metrics.md");
    // Those of the process stand there by their dotted names.
    let is_dotted = |word: &str| {
        let (front, back) = word.split_once('.').unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
        !front.is_empty() && !back.is_empty() && word.chars().all(fits)
    };
    documented(&["crates/proxy/src/admin/process.rs"], is_dotted, "docs/metrics.md");
}

#[test]
fn every_field_that_is_not_in_force_is_documented() {
    let folder = "crates/control/src/document";
    let mut findings = Vec::new();
    let table =
        fs::read_to_string(files::root().join("docs/istio-support.md")).expect("docs/istio-support.md");
    for text in files::rust().filter(|text| text.path.starts_with(folder)) {
        for part in text.content.split("known_but_unsupported(").skip(1) {
            let Some(field) = part.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            let mut words = table.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if !words.any(|word| word == field) {
                findings.push(format!("{}: {field}", text.path));
            }
        }
    }
    report(
        &findings,
        "docs/istio-support.md does not name these fields: say there that they have no effect.",
    );
}

fn documented(sources: &[&str], wanted: impl Fn(&str) -> bool, document: &str) {
    let text = fs::read_to_string(files::root().join(document))
        .unwrap_or_else(|error| panic!("{document}: {error}"));
    let mut findings = Vec::new();
    for source in sources {
        let words = literals(source, &wanted);
        assert!(!words.is_empty(), "nothing to document was found in {source}");
        let missing = words.into_iter().filter(|word| !text.contains(word.as_str()));
        findings.extend(missing.map(|word| format!("{source}: {word}")));
    }
    report(&findings, &format!("{document} does not name these: describe them there."));
}
