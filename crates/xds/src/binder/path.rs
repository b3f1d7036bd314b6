//! Where in a message something is, as a chain on the stack: costs nothing until somebody has to be told.

use ripstop_yaml::{Node, Value, join_index, join_key};

use crate::schema::FieldSchema;

/// A place in a message, seen from its root.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// A key as it was written, or the key of a map.
    Key(&'a str),
    /// A field, whichever of its two names was written.
    Field(FieldSchema),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    pub(crate) fn field(&'a self, field: FieldSchema) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(field) }
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// `static_resources.clusters[0].name`
    pub(crate) fn text(&self) -> String {
        let parent = self.parent.map(Path::text).unwrap_or_default();
        match self.step {
            Step::Root => parent,
            Step::Key(key) => join_key(&parent, key),
            Step::Field(field) => join_key(&parent, field.name()),
            Step::Index(index) => join_index(&parent, index),
        }
    }

    /// The value at this path below `root`, or the nearest one above it that is written.
    pub(crate) fn locate<'n>(&self, root: &'n Node) -> &'n Node {
        let above = match self.parent {
            Some(parent) => parent.locate(root),
            None => return root,
        };
        let below = match (self.step, &above.value) {
            (Step::Key(key), _) => last(above, |written| written == key),
            (Step::Field(field), _) => {
                last(above, |written| written == field.name() || is_json_name(written, field.name()))
            }
            (Step::Index(index), Value::Sequence(nodes)) => nodes.get(index),
            (Step::Index(_) | Step::Root, _) => None,
        };
        below.unwrap_or(above)
    }
}

fn last(node: &Node, is_it: impl Fn(&str) -> bool) -> Option<&Node> {
    node.entries().iter().rev().find(|entry| is_it(&entry.key)).map(|entry| &entry.value)
}

/// Whether `written` is the name in JSON of `field`: without underscores, and what follows one in upper case.
fn is_json_name(written: &str, field: &str) -> bool {
    let mut written = written.chars();
    let mut is_behind_underscore = false;
    for c in field.chars() {
        if c == '_' {
            is_behind_underscore = true;
            continue;
        }
        let wanted = if is_behind_underscore { c.to_ascii_uppercase() } else { c };
        is_behind_underscore = false;
        if written.next() != Some(wanted) {
            return false;
        }
    }
    written.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_json_are_those_of_the_descriptors() {
        for message in crate::descriptor::whole_pool().all_messages() {
            for field in message.fields() {
                assert!(is_json_name(field.json_name(), field.name()), "{}", field.full_name());
            }
        }
        assert!(!is_json_name("fooBa", "foo_bar") && !is_json_name("fooBarb", "foo_bar"));
        assert!(!is_json_name("foo_bar", "foo_bar"));
    }
}
