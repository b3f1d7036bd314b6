//! Problems as a control plane tells them, drawn into the texts that they are about.

use std::sync::Arc;

use ripstop_yaml::{Problem, Severity, Source};
use serde_json::Value;

use crate::documents::with_span;
use crate::terminal::{print_error, stderr_color};

/// Shows problems of the API on standard error, each in its line where that is known.
pub fn show_json(problems: &[Value], sources: &[Source]) {
    for value in problems {
        let problem = read(value);
        let source = sources.iter().find(|source| *source.name() == problem.source);
        let text = match source {
            Some(source) => with_span(&problem, source).render(source, stderr_color()),
            None => problem.render(&Source::new(Arc::clone(&problem.source), ""), stderr_color()),
        };
        print_error(&format!("{text}\n"));
    }
}

/// What the API says, as the value that it was made of.
fn read(value: &Value) -> Problem {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let number = |key: &str| value[key].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Problem {
        severity: if text("severity") == "error" { Severity::Error } else { Severity::Warning },
        source: text("file").into(),
        path: text("path").to_owned(),
        span: None,
        line: number("line"),
        column: number("column"),
        message: text("message").to_owned(),
        help: value["help"].as_str().map(Into::into),
        code: None,
    }
}
