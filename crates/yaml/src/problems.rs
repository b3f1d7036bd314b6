//! The place where everybody who reads one source leaves problems. Bounded, so that hostile input costs no memory.

use std::cell::{Cell, RefCell};

use crate::problem::{Problem, Severity};
use crate::source::{Source, Span};

/// Problems kept per source; further ones are only counted.
pub const MAX_PROBLEMS: usize = 1_000;

/// Collects the problems of one [`Source`]; shared by reference among nested readers of one thread.
#[derive(Debug)]
pub struct Problems {
    source: Source,
    list: RefCell<Vec<Problem>>,
    has_errors: Cell<bool>,
    beyond: Cell<usize>,
}

impl Problems {
    /// An empty collector for problems of `source`.
    pub fn new(source: &Source) -> Self {
        Self {
            source: source.clone(),
            list: RefCell::default(),
            has_errors: Cell::new(false),
            beyond: Cell::new(0),
        }
    }

    /// The source whose problems these are.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reports an error at `span`.
    pub fn error(&self, path: &str, span: Option<Span>, message: impl Into<String>) {
        self.push(Problem::error(&self.source, path, span, message));
    }

    /// Reports a warning at `span`.
    pub fn warn(&self, path: &str, span: Option<Span>, message: impl Into<String>) {
        self.push(Problem::warning(&self.source, path, span, message));
    }

    /// Reports a problem that was made elsewhere, with help or a code.
    pub fn push(&self, problem: Problem) {
        if problem.severity == Severity::Error {
            self.has_errors.set(true);
        }
        let mut list = self.list.borrow_mut();
        if list.len() < MAX_PROBLEMS {
            list.push(problem);
        } else {
            self.beyond.set(self.beyond.get() + 1);
        }
    }

    /// Whether any error (not warning) was reported.
    pub fn has_errors(&self) -> bool {
        self.has_errors.get()
    }

    /// How many problems were reported, those only counted included.
    pub fn len(&self) -> usize {
        self.list.borrow().len() + self.beyond.get()
    }

    /// Whether further problems are only counted, so that nobody needs to think of help for them.
    pub fn is_full(&self) -> bool {
        self.list.borrow().len() >= MAX_PROBLEMS
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The problems in the order of the text; those concerning no place come first. If more than [`MAX_PROBLEMS`] were
    /// reported, the last one says how many more.
    pub fn into_vec(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|problem| problem.span.map_or(0, |span| span.start));
        if self.beyond.get() > 0 {
            let message = format!("{} more problems are not shown", self.beyond.get());
            let mut more = Problem::error(&self.source, "", None, message);
            if !self.has_errors.get() {
                more.severity = Severity::Warning;
            }
            list.push(more);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_problems_are_kept_and_the_rest_counted() {
        let source = Source::new("a.yaml", "x: 1");
        let problems = Problems::new(&source);
        for n in 0..MAX_PROBLEMS + 5 {
            problems.warn("x", None, format!("{n}"));
        }
        assert!(problems.is_full() && !problems.has_errors());
        problems.error("x", None, "the one that matters");
        assert!(problems.has_errors(), "an error counts even when it is not kept");
        assert_eq!(problems.len(), MAX_PROBLEMS + 6);
        let list = problems.into_vec();
        assert_eq!(list.len(), MAX_PROBLEMS + 1);
        assert_eq!(list[MAX_PROBLEMS].to_string(), "a.yaml: 6 more problems are not shown");
        assert_eq!(list[MAX_PROBLEMS].severity, Severity::Error);
    }

    #[test]
    fn problems_come_in_the_order_of_the_text() {
        let source = Source::new("a.yaml", "x: 1\ny: 2\n");
        let problems = Problems::new(&source);
        problems.error("y", Some(Span { start: 5, end: 6 }), "second");
        problems.error("x", Some(Span { start: 0, end: 1 }), "first");
        let lines: Vec<u32> = problems.into_vec().iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
