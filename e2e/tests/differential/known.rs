//! The differences from Envoy that are meant: a case may name only those that `docs/xds-support.md` explains.

use std::collections::BTreeSet;

/// Begins the list of differences in the document.
const HEADING: &str = "## Deliberate differences";

/// The names of the differences in the document: `- **NAME**: why`.
pub fn differences() -> BTreeSet<String> {
    let path = ripstop_e2e::binaries::repository().join("docs/xds-support.md");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let part = text.split(HEADING).nth(1).unwrap_or_default();
    let part = part.split("\n## ").next().unwrap_or_default();
    let names = part.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next());
    names.map(str::to_owned).collect()
}
