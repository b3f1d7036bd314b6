//! From a path such as `static_resources.clusters[0].name` to where it stands in the text.

use ripstop_yaml::{Node, Problem, Problems, Value, code};

/// The text of a file, and the problems found in it.
pub(crate) struct Place<'a> {
    /// Its topmost value.
    pub(crate) root: &'a Node,
    /// Where problems are collected.
    pub(crate) problems: &'a Problems,
}

impl Place<'_> {
    /// An error at a path.
    pub(crate) fn error(&self, path: &str, message: String) {
        self.problems.error(path, Some(self.locate(path).0.span), message);
    }

    /// A warning at a path: what stands there has no effect.
    pub(crate) fn warn(&self, path: &str, message: String) {
        let span = self.locate(path).0.span;
        let problem = Problem::warning(self.problems.source(), path, Some(span), message);
        self.problems.push(problem.with_code(code::NOT_IN_FORCE));
    }

    /// Whether something other than nothing stands at a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        let (node, whole) = self.locate(path);
        whole && !node.is_null()
    }

    /// The value at a path, or the nearest above it that is written; and whether it was the former.
    fn locate(&self, path: &str) -> (&Node, bool) {
        let mut node = self.root;
        for step in steps(path) {
            let below = match step {
                Step::Key(key) => {
                    let entries = node.entries().iter().rev();
                    entries
                        .into_iter()
                        .find(|entry| entry.key == key || snake(&entry.key) == key)
                        .map(|entry| &entry.value)
                }
                Step::Index(index) => match &node.value {
                    Value::Sequence(nodes) => nodes.get(index),
                    // One element may stand for a list of one.
                    _ => Some(node).filter(|_| index == 0),
                },
            };
            match below {
                Some(below) => node = below,
                None => return (node, false),
            }
        }
        (node, true)
    }
}

/// The path of `inner` within the message at `outer`.
pub(crate) fn below(outer: &str, inner: &str) -> String {
    if inner.is_empty() { outer.to_owned() } else { format!("{outer}.{inner}") }
}

/// A field's name as protobuf has it, from that or from its JSON name (`staticResources`).
pub(crate) fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `a.b[0]["x.y"].c` in steps. Dots within brackets belong to a key.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(bracketed) = rest.strip_prefix("[\"") {
            let (key, after) = bracketed.split_once("\"]").unwrap_or((bracketed, ""));
            steps.push(Step::Key(key));
            rest = after;
        } else if let Some(bracketed) = rest.strip_prefix('[') {
            let (index, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
            steps.push(index.parse().map_or(Step::Key(index), Step::Index));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            steps.push(Step::Key(key));
            rest = after;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let expected = [Step::Key("a"), Step::Index(2), Step::Key("b"), Step::Key("x.y"), Step::Key("c")];
        assert_eq!(steps("a[2].b[\"x.y\"].c"), expected);
        assert_eq!(steps(""), []);
        assert_eq!(steps("a[\"open"), [Step::Key("a"), Step::Key("open")]);
    }

    #[test]
    fn names_are_told_in_either_spelling() {
        assert_eq!(snake("staticResources"), "static_resources");
        assert_eq!(snake("http2_protocol_options"), "http2_protocol_options");
    }
}
