//! The table that says which case compares what: it names every case, and nothing else.

use std::collections::BTreeSet;

/// What is wrong with `coverage.md`, if these are the cases.
pub fn problems(cases: &BTreeSet<String>) -> Vec<String> {
    let path = crate::directory().join("coverage.md");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let quoted = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_case = |word: &&str| word.split('/').count() == 2 && !word.contains('.') && !word.contains('*');
    let named: BTreeSet<String> = quoted.filter(is_case).map(str::to_owned).collect();
    let unnamed = cases.difference(&named).map(|name| format!("coverage.md does not name the case {name}"));
    let unknown = named.difference(cases).map(|name| format!("coverage.md names {name}, which is no case"));
    unnamed.chain(unknown).collect()
}
