//! `mesh-config.yml`: a whole mesh in one short file, expanded into the same documents that others write by hand. Expanding
//! is a pure function: the documents stand where the file says what they say, so every later finding names its line.

mod expand;
mod read;
mod tree;

use ripstop_yaml::{Document, Problem, Problems, Source};

/// Whether a document is one: it has the key `mesh` and is of no kind.
pub fn is_one(document: &Document) -> bool {
    let root = &document.root;
    root.get("mesh").is_some() && root.get("kind").is_none() && root.get("apiVersion").is_none()
}

/// The documents that `document` stands for, in an order in which people read them, and what is not in force or wrong. With
/// an error among the problems there are no documents.
pub fn expand(document: &Document, source: &Source) -> (Vec<Document>, Vec<Problem>) {
    let problems = Problems::new(source);
    let documents = match read::read(document, &problems) {
        Some(config) if !problems.has_errors() => expand::documents(&config),
        _ => Vec::new(),
    };
    (documents, problems.into_vec())
}
