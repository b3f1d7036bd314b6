//! The control plane: resources in, xDS and certificates out.
//!
//! ```text
//! files ──▶ document ──▶ resource ──▶ world ──▶ translate ──▶ Snapshot (ripstop-model) ──▶ ADS (ripstop-xds)
//! source    text into    typed       index      pure, one
//!           values       values      + checks   proxy at a time
//! ```
//!
//! Each stage knows only those to its left. `serve` runs all of it as a process: `push` says which proxy gets what, and
//! when, and `api` shows how things stand. Nothing here knows protobuf, and nothing here knows how a proxy does what
//! it is told.

pub mod analyze;
mod api;
pub mod document;
pub mod mesh_config;
mod push;
pub mod resource;
pub mod serve;
pub mod source;
pub mod translate;
pub mod world;
