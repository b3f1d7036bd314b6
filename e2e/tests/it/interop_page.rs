//! The files that docs/interop.md shows, as the tests use them.

use ripstop_e2e::binaries;

/// The fenced block after the comment `<!-- file: NAME -->`.
pub fn block(name: &str) -> String {
    let page = std::fs::read_to_string(binaries::repository().join("docs/interop.md")).unwrap();
    let (_, rest) = page
        .split_once(&format!("<!-- file: {name} -->"))
        .unwrap_or_else(|| panic!("docs/interop.md has no file {name}"));
    let (_, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    block.to_owned()
}
