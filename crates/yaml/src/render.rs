//! A problem drawn into its source line, for terminals. The one-line form is `Display`.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::problem::{Problem, Severity, one_line};
use crate::source::Source;

/// Longer lines are not drawn: nobody reads them, and minified JSON is one line of megabytes.
const MAX_LINE_BYTES: usize = 1_000;

impl Problem {
    /// The problem with the source line it stands in, underlined, and its help below. `source` must be the one the
    /// problem was found in; `color` adds ANSI colours.
    pub fn render(&self, source: &Source, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = if self.path.is_empty() {
            one_line(&self.message)
        } else {
            format!("{}: {}", one_line(&self.path), one_line(&self.message))
        };
        let mut title = level.primary_title(title);
        if let Some(code) = self.code {
            title = title.id(code);
        }
        let name = one_line(&self.source);
        let mut group = match self.span.map(|span| (span, source.line_text(span))) {
            Some((span, (line_start, line))) if line.len() <= MAX_LINE_BYTES => {
                let start = (span.start as usize).saturating_sub(line_start).min(line.len());
                let end = (span.end as usize).saturating_sub(line_start).min(line.len()).max(start);
                let shown = Snippet::source(line).line_start(self.line as usize).path(name);
                title.element(shown.annotation(AnnotationKind::Primary.span(start..end)))
            }
            Some(_) => {
                title.element(Origin::path(name).line(self.line as usize).char_column(self.column as usize))
            }
            None => title.element(Origin::path(name)),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(one_line(help)));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::code;
    use crate::source::Span;

    #[test]
    fn the_line_is_shown_and_underlined() {
        let source = Source::new("retry.yaml", "kind: X\nretries:\n  atempts: 3\n");
        let span = Some(Span { start: 19, end: 26 });
        let problem = Problem::error(&source, "retries.atempts", span, "unknown field")
            .with_help("did you mean `attempts`?")
            .with_code(code::UNKNOWN_FIELD);
        let expected = "\
error[unknown-field]: retries.atempts: unknown field
 --> retry.yaml:3:3
  |
3 |   atempts: 3
  |   ^^^^^^^
  |
  = help: did you mean `attempts`?";
        assert_eq!(problem.render(&source, false), expected);
        assert!(problem.render(&source, true).contains("\u{1b}["), "colours on request");
    }

    #[test]
    fn spans_over_lines_wide_characters_and_wrong_spans_are_drawn_without_fault() {
        let source = Source::new("a.yaml", "ключ: {a: 1,\n  b: 2}\r\nlast: x\n");
        for (start, end) in [(0, 8), (10, 24), (0, 10_000), (9_000, 9_001), (24, 24)] {
            let problem = Problem::warning(&source, "", Some(Span { start, end }), "note\u{7}");
            assert!(problem.render(&source, false).starts_with("warning: note\\u{7}"), "{start}..{end}");
        }
        let nowhere = Problem::error(&source, "a", None, "missing");
        assert!(nowhere.render(&source, false).contains("a.yaml"));
    }

    #[test]
    fn very_long_lines_are_named_but_not_drawn() {
        let source = Source::new("a.json", format!("{{\"a\": \"{}\"}}", "x".repeat(5_000)));
        let problem = Problem::error(&source, "a", Some(Span { start: 6, end: 5_008 }), "too long");
        let text = problem.render(&source, false);
        assert!(text.contains("a.json:1:7"), "{text}");
        assert!(text.len() < 200);
    }
}
