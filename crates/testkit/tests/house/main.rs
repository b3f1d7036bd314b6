//! The rules of the house, guarded by machine: which crate may use which, which licences and libraries may come in, how
//! source files look, that documents tell the truth. They look at the repository; they build and run nothing of it.

mod dependencies;
mod documents;
mod files;
mod graph;
mod source;
mod spdx;
mod walls;
mod words;

/// Fails with every finding at once and what to do about them.
fn report(findings: &[String], advice: &str) {
    assert!(findings.is_empty(), "{} finding(s):\n  {}\n{advice}\n", findings.len(), findings.join("\n  "));
}
