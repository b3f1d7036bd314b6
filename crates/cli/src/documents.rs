//! Reading the documents of a mesh for a command, with every problem shown in its source line. What is right and wrong is
//! the control plane's to say: it is asked.

use std::path::PathBuf;

use ripstop_control::source;
use ripstop_control::world::World;
use ripstop_yaml::{Problem, Severity, Source, Span};

use crate::failure::Failure;
use crate::terminal::{print_error, stderr_color};

/// Documents without errors.
#[derive(Debug)]
pub struct Documents {
    /// All that is written, indexed and checked.
    pub world: World,
    /// Warnings; they were shown.
    pub warnings: Vec<Problem>,
}

/// Reads files and directories, and shows problems on standard error.
///
/// # Errors
/// When a file cannot be read or a document has an error, after showing all of them.
pub fn load(paths: &[PathBuf]) -> Result<Documents, Failure> {
    match source::load(paths) {
        Ok((world, warnings)) => {
            show(&warnings, paths);
            Ok(Documents { world, warnings })
        }
        Err(problems) => {
            show(&problems, paths);
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            let found = count(errors, "error");
            Err(Failure::new(format_args!("the documents of the mesh have {found}, shown above")))
        }
    }
}

/// `1 error`, `2 errors`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn show(problems: &[Problem], paths: &[PathBuf]) {
    if problems.is_empty() {
        return;
    }
    // The texts again, for drawing: a file that has changed or gone since is named without its line.
    let sources = source::read(paths).unwrap_or_default();
    for problem in problems {
        let text = match sources.iter().find(|source| *source.name() == problem.source) {
            Some(source) => with_span(problem, source).render(source, stderr_color()),
            None => problem.render(&Source::new(problem.source.clone(), ""), stderr_color()),
        };
        print_error(&format!("{text}\n"));
    }
}

/// Problems between documents know their line, not their end: they are drawn to the end of the line.
pub fn with_span(problem: &Problem, source: &Source) -> Problem {
    let mut drawn = problem.clone();
    if drawn.span.is_none() && drawn.line > 0 {
        drawn.span = rest_of_line(source.text(), drawn.line, drawn.column);
    }
    drawn
}

/// From `column` of `line`, both counted from 1, to the last visible character.
fn rest_of_line(text: &str, line: u32, column: u32) -> Option<Span> {
    let mut start = 0;
    for (number, content) in (1..).zip(text.split_inclusive('\n')) {
        if number == line {
            let skipped: usize =
                content.chars().take(column.saturating_sub(1) as usize).map(char::len_utf8).sum();
            let end = start + content.trim_end().len();
            let start = (start + skipped).min(end);
            return Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? });
        }
        start += content.len();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_line_is_found() {
        let text = "a: 1\n  é: {b: 2}  \r\nlast";
        let shown = |line, column| {
            let span = rest_of_line(text, line, column).unwrap();
            &text[span.start as usize..span.end as usize]
        };
        assert_eq!(shown(1, 1), "a: 1");
        assert_eq!(shown(2, 6), "{b: 2}");
        assert_eq!(shown(2, 100), "");
        assert_eq!(shown(3, 1), "last");
        assert_eq!(rest_of_line(text, 9, 1), None);
    }

    #[test]
    fn numbers_agree_with_their_noun() {
        assert_eq!((count(1, "error").as_str(), count(0, "error").as_str()), ("1 error", "0 errors"));
    }
}
