//! What Rust files look like. What rustfmt and clippy already see to is not repeated here.

use crate::files::{self, Text};
use crate::report;

/// Most lines of a file before its tests.
const MAX_LINES: usize = 500;

/// Reports what `find` finds in each Rust file.
fn check(find: impl Fn(&Text) -> Vec<String>, advice: &str) {
    let mut findings = Vec::new();
    for text in files::rust() {
        findings.extend(find(text).into_iter().map(|finding| format!("{}: {finding}", text.path)));
    }
    report(&findings, advice);
}

/// Lines with their numbers, without comments.
fn code(text: &Text) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.content.lines().enumerate();
    lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether the whole file is about tests.
fn is_test(text: &Text) -> bool {
    text.path.contains("/tests/") || text.path.ends_with("tests.rs") || text.path.starts_with("e2e/")
}

/// The number of the line on which the tests of a file begin.
fn tests_begin(text: &Text) -> usize {
    let begin = text.content.lines().position(|line| line.starts_with("#[cfg(test)]"));
    begin.map_or(usize::MAX, |index| index + 1)
}

#[test]
fn files_say_what_they_are() {
    check(
        |text| match text.content.starts_with("//! ") {
            true => Vec::new(),
            false => vec!["does not begin with `//!`".to_owned()],
        },
        "Begin with one or two sentences on what the file is, and what it is not.",
    );
}

#[test]
fn files_are_short() {
    let too_long = |text: &Text| {
        let lines = text.content.lines().count().min(tests_begin(text));
        (lines > MAX_LINES).then(|| format!("{lines} lines")).into_iter().collect()
    };
    check(too_long, "At most 500 lines before the tests: make it a directory with a file for each thing.");
}

#[test]
fn modules_are_files_of_their_own_name() {
    check(
        |text| text.path.ends_with("/mod.rs").then(|| "is a mod.rs".to_owned()).into_iter().collect(),
        "Write `foo.rs` beside the directory `foo/`.",
    );
}

#[test]
fn imports_name_what_they_import() {
    let globs = |text: &Text| {
        let tests = if is_test(text) { 0 } else { tests_begin(text) };
        let imports = code(text).filter(|(_, line)| {
            let line = line.trim_start();
            (line.starts_with("use ") || line.starts_with("pub use ")) && line.contains("::*")
        });
        let wrong = imports.filter(|(number, line)| !(line.contains("use super::*;") && *number > tests));
        wrong.map(|(number, line)| format!("line {number}: {}", line.trim())).collect()
    };
    check(globs, "Name what is imported; only test modules may `use super::*`.");
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here so that this file does not find itself.
    let later = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("db", "g!("),
    ];
    let found = |text: &Text| {
        let lines = code(text).filter(|(_, line)| later.iter().any(|word| line.contains(word)));
        lines.map(|(number, line)| format!("line {number}: {}", line.trim())).collect()
    };
    check(
        found,
        "Finish it, or leave it out and say so in the documentation. A test that fails is mended, not switched off.",
    );
}

#[test]
fn only_the_runtime_may_be_unsafe() {
    let word = concat!("un", "safe");
    let found = |text: &Text| {
        if text.path.starts_with("crates/runtime/") {
            return Vec::new();
        }
        let is_keyword = |line: &str| {
            ["fn ", "impl ", "{", "extern ", "trait "]
                .iter()
                .any(|next| line.contains(&format!("{word} {next}")))
        };
        let lines =
            code(text).filter(|(_, line)| is_keyword(line) || line.contains(&format!("({word}_code)")));
        lines.map(|(number, line)| format!("line {number}: {}", line.trim())).collect()
    };
    check(
        found,
        "Find a safe way, or put the smallest possible piece into crates/runtime with a proof beside it.",
    );
}

#[test]
fn products_get_their_tcp_sockets_from_the_runtime() {
    let calls = ["TcpListener::bind(", "TcpStream::connect(", "TcpSocket::new", "UdpSocket::bind("];
    let found = |text: &Text| {
        let product =
            ["crates/proxy/src/", "crates/control/src/"].iter().any(|room| text.path.starts_with(room));
        if !product || is_test(text) {
            return Vec::new();
        }
        let before_tests = code(text).take_while(|(number, _)| *number < tests_begin(text));
        let lines = before_tests.filter(|(_, line)| calls.iter().any(|call| line.contains(call)));
        lines.map(|(number, line)| format!("line {number}: {}", line.trim())).collect()
    };
    check(
        found,
        "Use ripstop_runtime::socket, so that a simulated network can take the place of the real one.",
    );
}
