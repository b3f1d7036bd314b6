//! Patterns of paths with variables, such as `/users/{id=*}/**`, and what they are rewritten to. Parsed here, so that a
//! pattern that exists is valid; `ripstop-policy` matches with it.

use std::collections::BTreeSet;

use crate::Name;

/// Most variables of a pattern.
const MAX_VARIABLES: usize = 5;
/// Longest name of a variable in bytes.
const MAX_NAME_BYTES: usize = 16;

/// A pattern that takes paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    text: Name,
    segments: Vec<TemplateSegment>,
}

/// What stands between two slashes of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplateSegment {
    /// This text; empty only behind the last slash.
    Literal(Name),
    /// `*`: anything that is not empty, within one segment.
    One,
    /// `**`: anything to the end, slashes included; maybe nothing.
    Rest,
    /// `{name=…}`: what its segments take gets a name.
    Variable {
        /// The name.
        name: Name,
        /// What it takes.
        segments: Vec<TemplateSegment>,
    },
}

/// What a path becomes that a [`PathTemplate`] took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RewriteTemplate {
    text: Name,
    parts: Vec<RewritePart>,
}

/// A part of a [`RewriteTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RewritePart {
    /// This text.
    Literal(Name),
    /// What the variable took.
    Variable(Name),
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin with a slash.
    #[error("a path template begins with `/`")]
    NoSlash,
    /// Two slashes in a row.
    #[error("nothing stands between two slashes")]
    EmptySegment,
    /// A brace without its other half, or within another.
    #[error("`{{` and `}}` do not match, or a variable is within another")]
    Braces,
    /// The name of a variable is not one.
    #[error(
        "`{0}` is no name of a variable: a letter, then letters, digits and `_`, at most {MAX_NAME_BYTES} together"
    )]
    Name(String),
    /// A variable stands there twice.
    #[error("the variable `{0}` stands there twice")]
    Repeated(String),
    /// Too many of them.
    #[error("there are more than {MAX_VARIABLES} variables")]
    TooMany,
    /// A character that no path has.
    #[error("`{0}` has a character that cannot be in a segment of a path template")]
    Literal(String),
    /// A wildcard follows `**`.
    #[error("only text may follow `**` in a path template")]
    AfterRest,
    /// A rewrite names a variable that the pattern does not have.
    #[error("the variable `{0}` is not in the path template that is matched")]
    Unknown(String),
}

impl PathTemplate {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<PathTemplate, TemplateError> {
        let inner = text.strip_prefix('/').ok_or(TemplateError::NoSlash)?;
        let mut segments = Vec::new();
        let pieces = split(inner)?;
        let last = pieces.len() - 1;
        for (index, piece) in pieces.iter().enumerate() {
            let segment = match piece.strip_prefix('{') {
                Some(variable) => variable_segment(variable)?,
                None if piece.is_empty() && index == last => TemplateSegment::Literal(Name::from("")),
                None => plain_segment(piece)?,
            };
            segments.push(segment);
        }
        let template = PathTemplate { text: text.into(), segments };
        template.check()?;
        Ok(template)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands between its slashes.
    pub fn segments(&self) -> &[TemplateSegment] {
        &self.segments
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &Name> {
        self.segments.iter().filter_map(|segment| match segment {
            TemplateSegment::Variable { name, .. } => Some(name),
            _ => None,
        })
    }

    fn check(&self) -> Result<(), TemplateError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = self.variables().find(|name| !names.insert(*name)) {
            return Err(TemplateError::Repeated(twice.to_string()));
        }
        if names.len() > MAX_VARIABLES {
            return Err(TemplateError::TooMany);
        }
        let flat = self.segments.iter().flat_map(|segment| match segment {
            TemplateSegment::Variable { segments, .. } => segments.as_slice(),
            other => std::slice::from_ref(other),
        });
        let mut after_rest = flat.skip_while(|segment| **segment != TemplateSegment::Rest).skip(1);
        let wild = |segment: &TemplateSegment| !matches!(segment, TemplateSegment::Literal(_));
        if after_rest.any(wild) { Err(TemplateError::AfterRest) } else { Ok(()) }
    }
}

impl RewriteTemplate {
    /// Reads what the paths that `matched` takes become.
    ///
    /// # Errors
    /// It is no such pattern, or has a variable that `matched` does not have.
    pub fn parse(text: &str, matched: &PathTemplate) -> Result<RewriteTemplate, TemplateError> {
        if !text.starts_with('/') {
            return Err(TemplateError::NoSlash);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let literal = &rest[..rest.find('{').unwrap_or(rest.len())];
            if literal.contains('}') {
                return Err(TemplateError::Braces);
            }
            if literal.contains("//") {
                return Err(TemplateError::EmptySegment);
            }
            if !literal.bytes().all(|byte| byte == b'/' || is_literal(byte)) {
                return Err(TemplateError::Literal(literal.to_owned()));
            }
            if !literal.is_empty() {
                parts.push(RewritePart::Literal(literal.into()));
            }
            rest = &rest[literal.len()..];
            let Some(variable) = rest.strip_prefix('{') else { continue };
            let (name, after) = variable.split_once('}').ok_or(TemplateError::Braces)?;
            check_name(name)?;
            if !matched.variables().any(|known| **known == *name) {
                return Err(TemplateError::Unknown(name.to_owned()));
            }
            parts.push(RewritePart::Variable(name.into()));
            rest = after;
        }
        Ok(RewriteTemplate { text: text.into(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts.
    pub fn parts(&self) -> &[RewritePart] {
        &self.parts
    }
}

/// Splits at the slashes that are not within braces.
fn split(text: &str) -> Result<Vec<&str>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut from, mut inside) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if inside => return Err(TemplateError::Braces),
            b'}' if !inside => return Err(TemplateError::Braces),
            b'{' => inside = true,
            b'}' => inside = false,
            b'/' if !inside => {
                pieces.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(TemplateError::Braces);
    }
    pieces.push(&text[from..]);
    Ok(pieces)
}

/// What follows the `{`.
fn variable_segment(text: &str) -> Result<TemplateSegment, TemplateError> {
    let inner = text.strip_suffix('}').filter(|inner| !inner.contains('}')).ok_or(TemplateError::Braces)?;
    let (name, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
    check_name(name)?;
    let segments = pattern.split('/').map(plain_segment).collect::<Result<_, _>>()?;
    Ok(TemplateSegment::Variable { name: name.into(), segments })
}

fn plain_segment(text: &str) -> Result<TemplateSegment, TemplateError> {
    match text {
        "" => Err(TemplateError::EmptySegment),
        "*" => Ok(TemplateSegment::One),
        "**" => Ok(TemplateSegment::Rest),
        text if text.bytes().all(is_literal) => Ok(TemplateSegment::Literal(text.into())),
        text if text.contains(['{', '}']) => Err(TemplateError::Braces),
        text => Err(TemplateError::Literal(text.to_owned())),
    }
}

/// What RFC 3986 allows in a segment, but for the `*` that means something here.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte)
}

fn check_name(name: &str) -> Result<(), TemplateError> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(letters)
        && name.len() <= MAX_NAME_BYTES;
    if good { Ok(()) } else { Err(TemplateError::Name(name.to_owned())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        let one = PathTemplate::parse("/a/{x=b/*}/{y}/**").unwrap();
        let literal = |text: &str| TemplateSegment::Literal(text.into());
        let x = vec![literal("b"), TemplateSegment::One];
        let expected = [
            literal("a"),
            TemplateSegment::Variable { name: "x".into(), segments: x },
            TemplateSegment::Variable { name: "y".into(), segments: vec![TemplateSegment::One] },
            TemplateSegment::Rest,
        ];
        assert_eq!(one.segments(), expected);
        let to = RewriteTemplate::parse("/v/{y}-{x}", &one).unwrap();
        let variable = |name: &str| RewritePart::Variable(name.into());
        let part = |text: &str| RewritePart::Literal(text.into());
        assert_eq!(to.parts(), [part("/v/"), variable("y"), part("-"), variable("x")]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let wrong = |text: &str| PathTemplate::parse(text).unwrap_err();
        assert_eq!(wrong("a"), TemplateError::NoSlash);
        assert_eq!(wrong("/a//b"), TemplateError::EmptySegment);
        assert_eq!(wrong("/{a"), TemplateError::Braces);
        assert_eq!(wrong("/a}"), TemplateError::Braces);
        assert_eq!(wrong("/{a={b}}"), TemplateError::Braces);
        assert_eq!(wrong("/{1a}"), TemplateError::Name("1a".to_owned()));
        assert_eq!(wrong("/{abcdefghijklmnopq}"), TemplateError::Name("abcdefghijklmnopq".to_owned()));
        assert_eq!(wrong("/{a}/{a}"), TemplateError::Repeated("a".to_owned()));
        assert_eq!(wrong("/{a}/{b}/{c}/{d}/{e}/{f}"), TemplateError::TooMany);
        assert_eq!(wrong("/**/*"), TemplateError::AfterRest);
        assert_eq!(wrong("/{a=**}/b/{c}"), TemplateError::AfterRest);
        assert_eq!(wrong("/a*b"), TemplateError::Literal("a*b".to_owned()));
        let matched = PathTemplate::parse("/{a}").unwrap();
        let wrong = |text: &str| RewriteTemplate::parse(text, &matched).unwrap_err();
        assert_eq!(wrong("/{b}"), TemplateError::Unknown("b".to_owned()));
        assert_eq!(wrong("{a}"), TemplateError::NoSlash);
        assert_eq!(wrong("/*"), TemplateError::Literal("/*".to_owned()));
    }
}
