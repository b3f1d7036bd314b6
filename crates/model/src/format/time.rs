//! How a moment is written: the specifiers of `strftime` as Envoy's library understands them, always in UTC.

use crate::Name;

/// A format for moments, taken apart. Empty: `2026-01-31T23:59:59.123Z`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeFormat(Box<[TimePiece]>);

/// A part of a [`TimeFormat`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimePiece {
    /// Stands for itself.
    Text(Name),
    /// A specifier of `strftime` (`Y`, `m`, `d`, `H` …).
    Calendar(char),
    /// `%s`: seconds since 1970.
    EpochSeconds,
    /// `%f`, `%3f`: so many digits of the second's fraction, 1 to 9.
    Fraction(u8),
    /// `%E3S`: seconds and so many digits of their fraction; 0 digits: seconds alone.
    Seconds(u8),
    /// `%E*S`, `%E*f`: as many digits as are not zero, after the seconds or alone.
    FullPrecision {
        /// With the seconds before it.
        seconds: bool,
    },
    /// `%Ez`: `+00:00`.
    Offset,
}

impl TimeFormat {
    /// Takes a format apart. What is no specifier stands for itself, as with Envoy.
    pub fn parse(text: &str) -> TimeFormat {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match specifier(rest) {
                Some((TimePiece::Text(text), length)) => {
                    plain.push_str(&text);
                    rest = &rest[length..];
                }
                Some((piece, length)) => {
                    if !plain.is_empty() {
                        pieces.push(TimePiece::Text(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(piece);
                    rest = &rest[length..];
                }
                None => plain.push('%'),
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(TimePiece::Text(plain.into()));
        }
        TimeFormat(pieces.into())
    }

    /// What it consists of, in order.
    pub fn pieces(&self) -> &[TimePiece] {
        &self.0
    }
}

/// Every specifier of one letter that depends on the moment.
const CALENDAR: &str = "aAbBcCdDeFgGhHIjklmMpPrRSTuUVwWxXyYzZ";

/// The specifier at the beginning of what follows a `%`, and how long it is.
fn specifier(text: &str) -> Option<(TimePiece, usize)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    let second = chars.next();
    Some(match (first, second) {
        ('%', _) => (TimePiece::Text("%".into()), 1),
        ('t', _) => (TimePiece::Text("\t".into()), 1),
        ('s', _) => (TimePiece::EpochSeconds, 1),
        ('f', _) => (TimePiece::Fraction(9), 1),
        ('1'..='9', Some('f')) => (TimePiece::Fraction(digit(first)), 2),
        ('1'..='9', Some('s')) => (TimePiece::EpochSeconds, 2),
        ('E', Some('T')) => (TimePiece::Text("T".into()), 2),
        ('E', Some('z')) => (TimePiece::Offset, 2),
        ('E', Some('s')) => (TimePiece::EpochSeconds, 2),
        ('E', Some('*')) => match chars.next() {
            Some('S') => (TimePiece::FullPrecision { seconds: true }, 3),
            Some('f') => (TimePiece::FullPrecision { seconds: false }, 3),
            _ => return None,
        },
        ('E', Some(n @ '0'..='9')) => match (n, chars.next()) {
            (_, Some('S')) => (TimePiece::Seconds(digit(n)), 3),
            ('1'..='9', Some('f')) => (TimePiece::Fraction(digit(n)), 3),
            ('4', Some('Y')) => (TimePiece::Calendar('Y'), 3),
            _ => return None,
        },
        // The alternative digits and names of the C locale are the ordinary ones.
        ('E', Some(c @ ('c' | 'C' | 'x' | 'X' | 'y' | 'Y'))) => (TimePiece::Calendar(c), 2),
        ('O', Some(c @ ('d' | 'e' | 'H' | 'I' | 'm' | 'M' | 'S' | 'u' | 'U' | 'V' | 'w' | 'W' | 'y'))) => {
            (TimePiece::Calendar(c), 2)
        }
        (c, _) if CALENDAR.contains(c) => (TimePiece::Calendar(c), 1),
        _ => return None,
    })
}

fn digit(c: char) -> u8 {
    // The callers have matched an ASCII digit.
    c as u8 - b'0'
}
