//! An error as the person at the terminal sees it: what went wrong and what to do about it. Not for decisions: code that
//! must tell errors apart has its own enum and turns it into this at the end.

use std::fmt;

/// What ends a command with exit code 1: shown as `error: …`, and `help: …` where there is advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), help: None }
    }

    /// Adds what the operator can do.
    #[must_use]
    pub fn with_help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// The lines to print on standard error.
    pub fn render(&self, color: bool) -> String {
        let (red, cyan, off) = if color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let mut text = format!("{red}error:{off} {}", self.message);
        if let Some(help) = &self.help {
            text.push_str(&format!("\n{cyan}help:{off} {help}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_on_its_own_line() {
        let failure = Failure::new("port 8081 is taken").with_help("stop process 7");
        assert_eq!(failure.render(false), "error: port 8081 is taken\nhelp: stop process 7");
        assert!(failure.render(true).contains("\x1b[1;31merror:\x1b[0m"));
    }
}
