//! Texts with Envoy's command operators (`%REQ(x-id)%`), taken apart. Not their values: those are the proxy's.
//!
//! The grammar is Envoy's: `%%` is a percent sign; an operator is `%NAME%`, `%NAME(argument)%` or
//! `%NAME(argument):length%`, its name in capitals, digits and underscores, its argument without `)` and line end. Which
//! operator wants an argument and which may be cut to a length is part of the language, see [`parse`].

pub mod json;
pub mod operator;
pub mod parse;
pub mod time;

mod names;

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::Name;
pub use operator::Operator;
pub use parse::FormatError;

/// A text with operators. Two are equal when they were written alike.
#[derive(Clone)]
pub struct Format {
    source: Name,
    pieces: Box<[Piece]>,
}

/// A part of a [`Format`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Stands for itself.
    Text(Name),
    /// Stands for a value.
    Operator {
        /// Which.
        operator: Operator,
        /// The value is cut after so many bytes.
        max_bytes: Option<usize>,
    },
}

impl Format {
    /// Envoy's default for access logs.
    pub const DEFAULT_ACCESS_LOG: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
        %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
        %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
        \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

    /// Takes a text apart.
    ///
    /// # Errors
    /// What is no operator, an unknown operator, one that is not supported, or an argument that it does not take.
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        Ok(Format { source: text.into(), pieces: parse::pieces(text)?.into() })
    }

    /// A text that stands for itself, whatever is in it.
    pub fn literal(text: &str) -> Format {
        let pieces = if text.is_empty() { Box::default() } else { Box::from([Piece::Text(text.into())]) };
        Format { source: text.replace('%', "%%").into(), pieces }
    }

    /// As it was written.
    pub fn source(&self) -> &Name {
        &self.source
    }

    /// What it consists of, in order. No two texts stand side by side.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The operators in it.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Operator { operator, .. } => Some(operator),
        })
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.source == other.source
    }
}

impl Eq for Format {}

impl Hash for Format {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests;
