//! A text with a name, and places in it. Not a file: whoever reads files gives the text in.

use std::sync::Arc;

/// A text and the name it is shown under. Cheap to clone.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    /// Byte offset of the first byte of every line.
    line_starts: Arc<[u32]>,
    /// Number of the first line.
    first_line: u32,
}

/// A range of bytes of a [`Source`]: `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just behind the last byte.
    pub end: u32,
}

/// A place as editors show it; both numbers count from 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Source {
    /// Takes a text under the name that problems show, usually a file name.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let (name, text) = (name.into(), text.into());
        let line_starts = line_starts(&text).into();
        Self { name, text, line_starts, first_line: 1 }
    }

    /// The same text as a part of a longer one, in which its first line is number `first_line`.
    #[must_use]
    pub fn starting_at_line(self, first_line: u32) -> Self {
        Self { first_line: first_line.max(1), ..self }
    }

    /// The name as shown.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of the start of `span`; a span outside the text is taken to be at its end.
    pub fn position(&self, span: Span) -> Position {
        let (line_index, line_start) = self.line_of(span);
        let end = floor_char(&self.text, span.start as usize);
        let before = self.text.get(line_start..end).unwrap_or_default();
        let column = before.chars().filter(|c| *c != '\u{feff}').count() + 1;
        Position { line: saturate(line_index).saturating_add(self.first_line), column: saturate(column) }
    }

    /// The line that `span` starts in, without its line break, and the offset at which that line starts.
    pub(crate) fn line_text(&self, span: Span) -> (usize, &str) {
        let (index, start) = self.line_of(span);
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let line = self.text.get(start..end).unwrap_or_default();
        (start, line.trim_end_matches(['\r', '\n']))
    }

    fn line_of(&self, span: Span) -> (usize, usize) {
        let index = self.line_starts.partition_point(|start| *start <= span.start).saturating_sub(1);
        (index, self.line_starts.get(index).map_or(0, |start| *start as usize))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.text.len())
    }
}

/// Lines end with LF, CR LF or a lone CR, as YAML has it.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (at, byte) in bytes.iter().enumerate() {
        let ends_line = match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        if ends_line {
            starts.push(saturate(at + 1));
        }
    }
    starts
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

pub(crate) fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: u32) -> (u32, u32) {
        let p = Source::new("x", text).position(Span { start: offset, end: offset });
        (p.line, p.column)
    }

    #[test]
    fn positions_count_lines_of_every_ending_and_characters_not_bytes() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd", 1), (1, 2));
        assert_eq!(at("ab\ncd", 3), (2, 1));
        assert_eq!(at("ab\r\ncd", 4), (2, 1));
        assert_eq!(at("ab\rcd", 3), (2, 1));
        assert_eq!(at("żółw: x\n", 8), (1, 6), "five characters, eight bytes");
        assert_eq!(at("żółw: x\n", 1), (1, 1), "inside a character means at it");
        assert_eq!(at("\u{feff}a: 1", 3), (1, 1), "a byte order mark is not a column");
        assert_eq!(at("ab\n", 99), (2, 1), "past the end is the end");
    }

    #[test]
    fn a_part_of_a_text_keeps_its_lines() {
        let part = Source::new("x", "a: 1\nb: 2\n").starting_at_line(40);
        assert_eq!(part.position(Span { start: 5, end: 6 }), Position { line: 41, column: 1 });
    }

    #[test]
    fn the_line_of_a_span_comes_without_its_break() {
        let source = Source::new("x", "one\r\ntwo\r\nthree");
        assert_eq!(source.line_text(Span { start: 6, end: 7 }), (5, "two"));
        assert_eq!(source.line_text(Span { start: 12, end: 13 }), (10, "three"));
    }
}
