//! Which pages of other origins may use an answer, and what browsers are told about it: Envoy's filter for CORS. The rules of a
//! route come from several levels, of which the most specific that says something about a matter wins.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use ripstop_model::cors::CorsPolicy;
use ripstop_model::{Name, Percent};

use crate::route::header::joined;
use crate::route::text::{RegexError, TextMatcher};
use crate::runtime::Runtime;

/// What a browser asks before it lets a page of a public network at a private one.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
/// The answer to that.
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Stands for everything, in rules and in values.
const ANY: &str = "*";

/// What holds for one route.
#[derive(Debug)]
pub struct CorsRules {
    enabled: Percent,
    shadow: Percent,
    origins: Vec<TextMatcher>,
    methods: Allowed,
    headers: Allowed,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
    private_network: bool,
    forward_unmatched: bool,
}

#[derive(Debug)]
enum Allowed {
    Unsaid,
    Asked,
    These(HeaderValue),
}

/// What a request is, to the rules.
#[derive(Debug, PartialEq, Eq)]
pub struct CorsVerdict {
    /// Whether its origin may use the answer; `None`: it has none, or the rules do not concern it.
    pub origin_valid: Option<bool>,
    /// The origin that the answer allows.
    pub allowed: Option<HeaderValue>,
    /// It only asks what it may do: it is answered with [`CorsRules::preflight`] and goes no further.
    pub answered: bool,
}

impl CorsRules {
    /// Status of the answer to a question.
    pub const PREFLIGHT_STATUS: StatusCode = StatusCode::OK;

    /// From policies, the most specific one first. `None`: there is none.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(policies: &[&CorsPolicy], runtime: &Runtime) -> Result<Option<CorsRules>, RegexError> {
        let Some(first) = policies.first() else { return Ok(None) };
        let text = |of: fn(&CorsPolicy) -> Option<&Name>| policies.iter().find_map(|policy| of(policy));
        let switch = |of: fn(&CorsPolicy) -> Option<bool>| policies.iter().find_map(|policy| of(policy));
        let origins = policies.iter().map(|policy| &policy.allow_origins).find(|rules| !rules.is_empty());
        Ok(Some(CorsRules {
            enabled: first.enabled.as_ref().map_or(Percent::ALL, |share| runtime.fraction(share)),
            shadow: first.shadow.as_ref().map_or(Percent::ZERO, |share| runtime.fraction(share)),
            origins: origins.into_iter().flatten().map(TextMatcher::compile).collect::<Result<_, _>>()?,
            methods: Allowed::of(text(|policy| policy.allow_methods.as_ref())),
            headers: Allowed::of(text(|policy| policy.allow_headers.as_ref())),
            expose: text(|policy| policy.expose_headers.as_ref()).and_then(value),
            max_age: text(|policy| policy.max_age.as_ref()).and_then(value),
            credentials: switch(|policy| policy.allow_credentials).unwrap_or(false),
            private_network: switch(|policy| policy.allow_private_network).unwrap_or(false),
            forward_unmatched: switch(|policy| policy.forward_unmatched_preflights).unwrap_or(true),
        }))
    }

    /// Looks at a request.
    pub fn judge(&self, method: &Method, headers: &HeaderMap, rng: &mut fastrand::Rng) -> CorsVerdict {
        let nothing = CorsVerdict { origin_valid: None, allowed: None, answered: false };
        let enabled = falls_into(self.enabled, rng);
        if !enabled && !falls_into(self.shadow, rng) {
            return nothing;
        }
        let origin = joined(headers, &header::ORIGIN).filter(|origin| !origin.is_empty());
        let Some(origin) = origin else { return nothing };
        let valid = self.allows(&origin);
        let nothing = CorsVerdict { origin_valid: Some(valid), ..nothing };
        if !enabled {
            return nothing;
        }
        let asks = *method == Method::OPTIONS
            && headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|asked| !asked.is_empty());
        CorsVerdict {
            allowed: HeaderValue::from_bytes(&origin).ok().filter(|_| valid),
            answered: asks && (valid || !self.forward_unmatched),
            ..nothing
        }
    }

    /// What a question is answered with; `allowed` is the origin, where it may do anything.
    pub fn preflight(&self, allowed: Option<&HeaderValue>, asked: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        self.credentials(&mut headers);
        let of = |name: HeaderName| asked.get(name).cloned().unwrap_or(HeaderValue::from_static(""));
        let mut allow = |name: HeaderName, allowed: &Allowed, asked: HeaderName| match allowed {
            Allowed::Unsaid => {}
            Allowed::Asked => _ = headers.insert(name, of(asked)),
            Allowed::These(these) => _ = headers.insert(name, these.clone()),
        };
        let asked_method = header::ACCESS_CONTROL_REQUEST_METHOD;
        allow(header::ACCESS_CONTROL_ALLOW_METHODS, &self.methods, asked_method);
        let asked_headers = header::ACCESS_CONTROL_REQUEST_HEADERS;
        allow(header::ACCESS_CONTROL_ALLOW_HEADERS, &self.headers, asked_headers);
        if let Some(max_age) = &self.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        let private = asked.get(REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == "true");
        if self.private_network && private {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        if let Some(origin) = allowed {
            self.mark(origin, &mut headers);
        }
        headers
    }

    /// Says in an answer that `origin` may use it.
    pub fn mark(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        self.credentials(headers);
        if let Some(expose) = &self.expose {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn credentials(&self, headers: &mut HeaderMap) {
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|rule| rule.matches(ANY.as_bytes()) || rule.matches(origin))
    }
}

impl Allowed {
    fn of(text: Option<&Name>) -> Allowed {
        match text {
            Some(text) if &**text == ANY => Allowed::Asked,
            text => text.and_then(value).map_or(Allowed::Unsaid, Allowed::These),
        }
    }
}

/// What cannot stand in a header is left out.
fn value(text: &Name) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

fn falls_into(share: Percent, rng: &mut fastrand::Rng) -> bool {
    match share {
        Percent::ALL => true,
        Percent::ZERO => false,
        share => rng.u32(0..1_000_000) < share.as_per_million(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
