//! What a page of another origin is told: whether it may call a route, and with what. The algorithm is that of Envoy's CORS
//! filter; what browsers make of it is the WHATWG's Fetch standard.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ripstop_model::Percent;
use ripstop_model::cors::CorsPolicy;

use crate::route::text::{RegexError, TextMatcher};

const PRIVATE_NETWORK_REQUEST: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// A compiled [`CorsPolicy`].
#[derive(Clone, Debug)]
pub struct CorsGuard {
    origins: Vec<TextMatcher>,
    /// Added to answers of preflights.
    preflight: Vec<(HeaderName, HeaderValue)>,
    /// Added to all other answers.
    actual: Vec<(HeaderName, HeaderValue)>,
    allow_private_network: bool,
    forward_not_matching: bool,
    share: Percent,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// It is none of another origin, or the origin may not call: it goes on as if there were no policy, and the browser keeps
    /// the answer from the page.
    Pass,
    /// It goes on, and these headers are set in the answer.
    Allow(HeaderValue),
    /// It is a preflight and answered here: 200 with these headers.
    Answer(HeaderMap),
}

impl CorsGuard {
    /// Compiles a policy.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(policy: &CorsPolicy) -> Result<CorsGuard, RegexError> {
        let value = |text: &str| HeaderValue::from_str(text).ok().filter(|_| !text.is_empty());
        let credentials = policy.allow_credentials.then_some(TRUE);
        let preflight = [
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials.clone()),
            (header::ACCESS_CONTROL_ALLOW_METHODS, value(&policy.allow_methods)),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, value(&policy.allow_headers)),
            (header::ACCESS_CONTROL_MAX_AGE, value(&policy.max_age)),
        ];
        let actual = [
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, value(&policy.expose_headers)),
        ];
        let written = |(name, value): (HeaderName, Option<HeaderValue>)| Some((name, value?));
        Ok(CorsGuard {
            origins: policy.allow_origins.iter().map(TextMatcher::compile).collect::<Result<_, _>>()?,
            preflight: preflight.into_iter().filter_map(written).collect(),
            actual: actual.into_iter().filter_map(written).collect(),
            allow_private_network: policy.allow_private_network,
            forward_not_matching: policy.forward_not_matching.unwrap_or(true),
            share: policy.enabled.as_ref().map_or(Percent::ALL, |share| share.default),
        })
    }

    /// What becomes of a request; `dice` is a number below a million.
    pub fn decide(&self, method: &Method, headers: &HeaderMap, dice: u32) -> Cors {
        let Some(origin) = headers.get(header::ORIGIN) else { return Cors::Pass };
        if origin.is_empty() || dice >= self.share.as_per_million() {
            return Cors::Pass;
        }
        let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let is_preflight = method == Method::OPTIONS && asked.is_some_and(|asked| !asked.is_empty());
        let text = origin.to_str().unwrap_or_default();
        let allowed = text == "*" || self.origins.iter().any(|matcher| matcher.matches(text));
        match (is_preflight, allowed) {
            (true, true) => Cors::Answer(self.preflight_answer(origin, headers)),
            (true, false) if !self.forward_not_matching => Cors::Answer(HeaderMap::new()),
            (false, true) => Cors::Allow(origin.clone()),
            _ => Cors::Pass,
        }
    }

    fn preflight_answer(&self, origin: &HeaderValue, request: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, value) in &self.preflight {
            answer.insert(name.clone(), value.clone());
        }
        let asks = request.get(PRIVATE_NETWORK_REQUEST).is_some_and(|value| value == "true");
        if self.allow_private_network && asks {
            answer.insert(ALLOW_PRIVATE_NETWORK, TRUE);
        }
        answer
    }

    /// Sets in the answer to a request of `origin` what a browser looks for.
    pub fn change_response(&self, origin: &HeaderValue, response: &mut HeaderMap) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, value) in &self.actual {
            response.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_model::matcher::StringMatch;

    use super::*;

    fn guard(forward: Option<bool>) -> CorsGuard {
        CorsGuard::compile(&CorsPolicy {
            allow_origins: vec![StringMatch::exact("https://shop.example.org")],
            allow_methods: "GET,POST".into(),
            allow_headers: "x-id".into(),
            expose_headers: "x-total".into(),
            max_age: "600".into(),
            allow_credentials: true,
            allow_private_network: true,
            forward_not_matching: forward,
            enabled: None,
        })
        .unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn text(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const GOOD: (&str, &str) = ("origin", "https://shop.example.org");
    const BAD: (&str, &str) = ("origin", "https://evil.example.org");
    const ASKS: (&str, &str) = ("access-control-request-method", "PUT");

    #[test]
    fn preflights_of_good_origins_are_answered() {
        let request = headers(&[GOOD, ASKS, (PRIVATE_NETWORK_REQUEST, "true")]);
        let Cors::Answer(answer) = guard(None).decide(&Method::OPTIONS, &request, 0) else { panic!() };
        assert_eq!(
            text(&answer),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: x-id",
                "access-control-allow-methods: GET,POST",
                "access-control-allow-origin: https://shop.example.org",
                "access-control-allow-private-network: true",
                "access-control-max-age: 600",
            ]
        );
    }

    #[test]
    fn others_are_forwarded_unless_told_otherwise() {
        let request = headers(&[BAD, ASKS]);
        assert_eq!(guard(None).decide(&Method::OPTIONS, &request, 0), Cors::Pass);
        assert_eq!(guard(Some(false)).decide(&Method::OPTIONS, &request, 0), Cors::Answer(HeaderMap::new()));
        assert_eq!(guard(Some(false)).decide(&Method::GET, &headers(&[BAD]), 0), Cors::Pass);
        assert_eq!(guard(None).decide(&Method::GET, &headers(&[]), 0), Cors::Pass);
        // OPTIONS without the question is a request like any other.
        assert!(matches!(guard(None).decide(&Method::OPTIONS, &headers(&[GOOD]), 0), Cors::Allow(_)));
    }

    #[test]
    fn answers_to_good_origins_say_so() {
        let guard = guard(None);
        let Cors::Allow(origin) = guard.decide(&Method::GET, &headers(&[GOOD]), 0) else { panic!() };
        let mut response = headers(&[("access-control-allow-origin", "*"), ("server", "x")]);
        guard.change_response(&origin, &mut response);
        assert_eq!(
            text(&response),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://shop.example.org",
                "access-control-expose-headers: x-total",
                "server: x",
            ]
        );
    }
}
