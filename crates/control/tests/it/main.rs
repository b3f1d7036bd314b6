//! The control plane without its server: documents, worlds, translation, files.
#![allow(clippy::unwrap_used, missing_docs)]

mod examples;
mod golden;
mod problems;
mod render;
mod simulate;
mod support;
mod translate;
mod watch;
mod wire;
