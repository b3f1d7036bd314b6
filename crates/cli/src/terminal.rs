//! Writing for people: colours on a terminal, plain text anywhere else. A closed output is no reason to die: a mesh must
//! outlive the pager that showed its table.

use std::io::{self, IsTerminal, Write};

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Headings and names.
    Strong,
    /// What worked.
    Good,
    /// What needs attention.
    Warning,
    /// What failed.
    Bad,
    /// What may be overlooked.
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        }
    }
}

/// Standard output, with or without colours.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    color: bool,
}

impl Terminal {
    /// Standard output; colours if it is a terminal that has them and `NO_COLOR` is not set.
    pub fn stdout() -> Self {
        Self { color: io::stdout().is_terminal() && colors_wanted() }
    }

    /// Without colours, whatever the output is.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { color: false }
    }

    /// `text` in a tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
    }

    /// Writes a text that ends its lines itself.
    pub fn text(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Writes one line, or several separated by line feeds.
    pub fn line(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// Whether standard error takes colours.
pub fn stderr_color() -> bool {
    io::stderr().is_terminal() && colors_wanted()
}

/// Writes to standard error, which may be closed.
pub fn print_error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// <https://no-color.org>: any value that is not empty switches colours off. A dumb terminal has none.
fn colors_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}
