//! YAML and JSON text into a tree that remembers where everything stood, and typed reading of that tree.
//!
//! Reading never stops at the first mistake: every problem of a document is collected, each with the path of the
//! field, the line, the column and, where one can be guessed, what was meant.
//!
//! ```
//! use ripstop_yaml::{Problems, Reader, Source, parse};
//!
//! let source = Source::new("retry.yaml", "attempts: 3\nperTryTimeout: 200ms\natempts: 4\n");
//! let documents = parse(&source).expect("well-formed");
//! let problems = Problems::new(&source);
//! let reader = Reader::new(&documents[0].root, "", &problems);
//! assert_eq!(reader.u32("attempts"), Some(3));
//! assert_eq!(reader.duration("perTryTimeout"), Some(std::time::Duration::from_millis(200)));
//! reader.finish();
//! assert_eq!(
//!     problems.into_vec()[0].to_string(),
//!     "retry.yaml:3:1: atempts: unknown field (did you mean `attempts`?)"
//! );
//! ```
//!
//! This crate knows nothing of meshes, of protobuf or of files on disk: text comes in as a string.

mod duration;
mod field;
mod nearest;
mod node;
mod parse;
mod path;
mod problem;
mod problems;
mod reader;
mod render;
mod source;
mod write;

pub use duration::{DurationError, parse_duration};
pub use field::Field;
pub use nearest::nearest;
pub use node::{Document, Entry, Node, Scalar, Value};
pub use parse::{MAX_ALIAS_BYTES, MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, parse};
pub use path::{join_index, join_key};
pub use problem::{Problem, Severity, code};
pub use problems::{MAX_PROBLEMS, Problems};
pub use reader::Reader;
pub use source::{Position, Source, Span};
pub use write::write;
