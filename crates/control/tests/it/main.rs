//! The control plane without its server: documents, worlds, translation, files.
#![allow(clippy::unwrap_used, missing_docs)]

mod analyze;
mod examples;
mod golden;
mod problems;
mod render;
mod simulate;
mod support;
mod support_table;
mod translate;
mod watch;
mod wire;
