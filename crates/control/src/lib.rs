//! The control plane: resources in, xDS and certificates out.
//!
//! ```text
//! files ──▶ document ──▶ resource ──▶ world ──▶ translate ──▶ Snapshot (ripstop-model) ──▶ ADS (ripstop-xds)
//! source    text into    typed       index      pure, one
//!           values       values      + checks   proxy at a time
//! ```
//!
//! Each stage knows only those to its left. `serve` runs all of it as a process: `change` takes changes from files and the API
//! one at a time and writes them down in `store`, `push` says which proxy gets what, and when, and `api` is the door. Nothing here knows protobuf, and nothing here knows how a proxy does what
//! it is told.

pub mod analyze;
mod api;
mod change;
pub mod document;
mod explain;
pub mod mesh_config;
mod provenance;
mod push;
pub mod resource;
pub mod role;
pub mod serve;
pub mod source;
mod store;
pub mod translate;
pub mod world;
