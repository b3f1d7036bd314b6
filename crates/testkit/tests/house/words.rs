//! Words that have no business in the repository: places on one machine, documents that nobody else has, promises.

use crate::files;
use crate::report;

/// Each in two halves, so that this file does not find itself.
const WORDS: [(&str, &str, &str); 9] = [
    ("/ro", "ot/", "a place on one machine"),
    ("/wo", "rk/", "a place on one machine"),
    ("/Use", "rs/", "a place on one machine"),
    ("see", "d 0", "a document that is not in the repository"),
    ("anch", "ors/", "a document that is not in the repository"),
    ("for n", "ow,", "a promise"),
    ("not yet imple", "mented", "a promise"),
    ("(skel", "eton)", "a promise"),
    ("FIX", "ME", "a promise"),
];

#[test]
fn texts_speak_of_the_project_alone() {
    let mut findings = Vec::new();
    for text in files::texts() {
        for (number, line) in text.content.lines().enumerate() {
            let found = WORDS.iter().filter(|(a, b, _)| line.contains(&format!("{a}{b}")));
            let number = number + 1;
            findings.extend(found.map(|(a, b, why)| format!("{}:{number}: `{a}{b}` is {why}", text.path)));
        }
    }
    report(&findings, "Say what is, in words that hold for every reader: the rest belongs elsewhere.");
}
