//! A condition on a header of a request, pseudo-headers included.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};

use super::RequestHead;
use super::text::{RegexError, TextMatcher};

/// A compiled [`HeaderMatch`].
#[derive(Clone, Debug)]
pub struct HeaderMatcher {
    source: Source,
    value: Value,
    invert: bool,
    treat_missing_as_empty: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Method,
    Path,
    Authority,
    Scheme,
    Header(HeaderName),
    /// A name that no request can carry.
    Never,
}

#[derive(Clone, Debug)]
enum Value {
    Present(bool),
    Text(TextMatcher),
    Range { start: i64, end: i64 },
}

impl HeaderMatcher {
    /// Compiles a condition.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(header: &HeaderMatch) -> Result<HeaderMatcher, RegexError> {
        let source = match &*header.name {
            ":method" => Source::Method,
            ":path" => Source::Path,
            ":authority" | "host" => Source::Authority,
            ":scheme" => Source::Scheme,
            name => HeaderName::try_from(name).map_or(Source::Never, Source::Header),
        };
        let value = match &header.value {
            HeaderValueMatch::Present(present) => Value::Present(*present),
            HeaderValueMatch::String(text) => Value::Text(TextMatcher::compile(text)?),
            HeaderValueMatch::Range { start, end } => Value::Range { start: *start, end: *end },
        };
        let HeaderMatch { invert, treat_missing_as_empty, .. } = *header;
        Ok(HeaderMatcher { source, value, invert, treat_missing_as_empty })
    }

    /// The ordinary header that it looks at.
    pub fn name(&self) -> Option<&HeaderName> {
        match &self.source {
            Source::Header(name) => Some(name),
            _ => None,
        }
    }

    /// Whether a request fulfils the condition. As in Envoy, several values of one header are joined with `,`; and a
    /// condition on the value of a header that is not there is not fulfilled, even an inverted one, unless a missing
    /// header counts as empty.
    pub fn matches(&self, request: &RequestHead<'_>) -> bool {
        self.holds(self.source.value(request))
    }

    /// The same for the headers of an answer, which has no pseudo-headers here.
    pub fn matches_answer(&self, headers: &HeaderMap) -> bool {
        let found = match &self.source {
            Source::Header(name) => joined(headers, name),
            _ => None,
        };
        self.holds(found)
    }

    fn holds(&self, found: Option<Cow<'_, [u8]>>) -> bool {
        if let Value::Present(wanted) = self.value {
            return ((found.is_some() || self.treat_missing_as_empty) == wanted) != self.invert;
        }
        let value = match found {
            Some(value) => value,
            None if self.treat_missing_as_empty => Cow::Borrowed(&b""[..]),
            None => return false,
        };
        let holds = match &self.value {
            Value::Present(wanted) => *wanted,
            Value::Text(text) => text.matches(&value),
            Value::Range { start, end } => {
                let number =
                    std::str::from_utf8(&value).ok().and_then(|text| text.trim().parse::<i64>().ok());
                number.is_some_and(|number| (*start..*end).contains(&number))
            }
        };
        holds != self.invert
    }
}

impl Source {
    fn value<'a>(&self, request: &RequestHead<'a>) -> Option<Cow<'a, [u8]>> {
        let pseudo = |text: &'a str| Some(Cow::Borrowed(text.as_bytes()));
        match self {
            Source::Method => pseudo(request.method),
            Source::Authority => pseudo(request.authority),
            Source::Scheme => pseudo(request.scheme),
            Source::Path => match request.query {
                None => pseudo(request.path),
                Some(query) => Some(Cow::Owned(format!("{}?{query}", request.path).into_bytes())),
            },
            Source::Header(name) => joined(request.headers, name),
            Source::Never => None,
        }
    }
}

/// All values of a header, with commas between.
pub(crate) fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter().map(|value| value.as_bytes());
    let mut joined = Cow::Borrowed(values.next()?);
    for value in values {
        let all = joined.to_mut();
        all.push(b',');
        all.extend_from_slice(value);
    }
    Some(joined)
}
