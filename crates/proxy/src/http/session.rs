//! Sessions that stay with their endpoint (Envoy's `stateful_session`): which one a request names, and what its answer says.
//! Sessions by hash, which name nobody, are [`super::affinity`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use ripstop_model::Address;
use ripstop_model::route::HashCookie;
use ripstop_model::session::{SessionCarrier, StatefulSession};
use ripstop_policy::balance::SessionHost;
use ripstop_policy::hash::set_cookie;
use ripstop_policy::route::cookie::cookie;
use ripstop_xds::session_cookie;

/// A compiled [`StatefulSession`].
pub struct SessionRules {
    carrier: Carrier,
    strict: bool,
    /// With what a request fails whose endpoint is not there any more.
    pub gone_status: u16,
}

enum Carrier {
    Cookie(HashCookie),
    Header(HeaderName),
}

/// The session of one request.
pub struct Session {
    /// Its rules.
    pub rules: Arc<SessionRules>,
    /// The endpoint that it names.
    named: Option<Address>,
    /// The one that it went to.
    pub went_to: Option<Address>,
}

impl SessionRules {
    /// `None`: there are no sessions.
    pub fn compile(session: &StatefulSession) -> Option<SessionRules> {
        let carrier = match session.carrier.as_ref()? {
            SessionCarrier::Cookie(cookie) => Carrier::Cookie(cookie.clone()),
            SessionCarrier::Header(name) => Carrier::Header(HeaderName::try_from(&**name).ok()?),
        };
        Some(SessionRules { carrier, strict: session.strict, gone_status: session.gone_status })
    }

    /// The session of a request with this path, without query; `None`: cookies are not for it.
    pub fn of_request(self: &Arc<Self>, headers: &HeaderMap, path: &str, now: SystemTime) -> Option<Session> {
        let named = match &self.carrier {
            Carrier::Cookie(of) if !is_below(path, &of.path) => return None,
            Carrier::Cookie(of) => {
                cookie(headers, &of.name).and_then(|value| session_cookie::read(value, now))
            }
            Carrier::Header(name) => {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                value.and_then(session_cookie::read_header)
            }
        };
        // What is no address of IP may be a path; if it is nothing at all, no endpoint is there either.
        let address = |text: String| match text.parse::<SocketAddr>() {
            Ok(address) => Address::Socket(address),
            Err(_) => Address::Pipe(text.into()),
        };
        Some(Session { rules: Arc::clone(self), named: named.map(address), went_to: None })
    }
}

impl Session {
    /// The endpoint that the request is for.
    pub fn host(&self) -> Option<SessionHost<'_>> {
        Some(SessionHost { address: self.named.as_ref()?, strict: self.rules.strict })
    }

    /// Tells the client which endpoint answered, if it did not say so itself.
    pub fn mark(&self, headers: &mut HeaderMap, now: SystemTime) {
        let Some(went_to) = self.went_to.as_ref().filter(|went_to| self.named.as_ref() != Some(went_to))
        else {
            return;
        };
        let address = went_to.to_string();
        match &self.rules.carrier {
            Carrier::Cookie(cookie) => {
                let line = set_cookie(cookie, &session_cookie::write(&address, cookie.ttl, now));
                if let Ok(line) = HeaderValue::try_from(line) {
                    headers.append(SET_COOKIE, line);
                }
            }
            Carrier::Header(name) => {
                if let Ok(value) = HeaderValue::try_from(session_cookie::write_header(&address)) {
                    headers.insert(name.clone(), value);
                }
            }
        }
    }
}

/// Whether a cookie with this path is for a request.
fn is_below(path: &str, cookie_path: &str) -> bool {
    let Some(rest) = path.strip_prefix(cookie_path) else { return false };
    cookie_path.is_empty() || cookie_path.ends_with('/') || rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn cookies_are_for_whole_segments_of_paths() {
        for (cookie, path, is_for) in [
            ("", "/a", true),
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/", "/a/b", true),
            ("/a/", "/a", false),
            ("/a", "/b", false),
        ] {
            assert_eq!(is_below(path, cookie), is_for, "{cookie} {path}");
        }
    }
}
