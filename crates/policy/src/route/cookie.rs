//! A condition on a cookie of a request, and how cookies are found in its headers.

use http::{HeaderMap, header};
use ripstop_model::Name;
use ripstop_model::matcher::CookieMatch;

use super::text::{RegexError, TextMatcher};

/// A compiled [`CookieMatch`].
#[derive(Clone, Debug)]
pub struct CookieMatcher {
    name: Name,
    value: TextMatcher,
    invert: bool,
}

impl CookieMatcher {
    /// Compiles a condition.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(cookie: &CookieMatch) -> Result<CookieMatcher, RegexError> {
        let value = TextMatcher::compile(&cookie.value)?;
        Ok(CookieMatcher { name: cookie.name.clone(), value, invert: cookie.invert })
    }

    /// Whether a request fulfils the condition. A cookie that is not there fulfils an inverted one only.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let holds = cookie(headers, &self.name).is_some_and(|value| self.value.matches(value.as_bytes()));
        holds != self.invert
    }
}

/// The value of the first cookie of a name, without quotes around it.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| found.trim_start() == name)?;
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(unquoted.unwrap_or(value))
}
