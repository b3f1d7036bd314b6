//! Where something was written, kept beside the value so that a later finding can still name the line.

use ripstop_model::Name;
use ripstop_yaml::{Problem, Severity};

/// A place in a document. The default is nowhere: a value that nobody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Name of the file.
    pub file: Name,
    /// Line, from 1; 0: nowhere.
    pub line: u32,
    /// Column in characters, from 1; 0: nowhere.
    pub column: u32,
    /// Path of the field, such as `spec.http[0]`; empty for a document as a whole.
    pub path: Name,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin { file: "built-in default".into(), line: 0, column: 0, path: "".into() }
    }
}

impl Origin {
    /// An error about what stands here.
    pub fn error(&self, message: impl Into<String>) -> Problem {
        self.problem(Severity::Error, message.into())
    }

    /// A warning about what stands here.
    pub fn warning(&self, message: impl Into<String>) -> Problem {
        self.problem(Severity::Warning, message.into())
    }

    /// `file:line` for messages that refer to a second place.
    pub fn place(&self) -> String {
        if self.line == 0 { self.file.to_string() } else { format!("{}:{}", self.file, self.line) }
    }

    fn problem(&self, severity: Severity, message: String) -> Problem {
        Problem {
            severity,
            source: self.file.clone(),
            path: self.path.to_string(),
            span: None,
            line: self.line,
            column: self.column,
            message,
            help: None,
            code: None,
        }
    }
}
