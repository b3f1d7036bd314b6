//! The number that a request's properties make: equal requests have equal ones. Envoy's `hash_policy`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ripstop_model::Name;
use ripstop_model::route::{HashCookie, HashPolicy, HashSource};

use crate::balance::hash::{xx, xx_seeded};
use crate::route::cookie::cookie;
use crate::route::text::RegexError;
use crate::substitute::Substitution;

/// Compiled [`HashPolicy`]s of a route, in their order.
#[derive(Clone, Debug)]
pub struct RequestHasher(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    source: Source,
    terminal: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Header {
        name: HeaderName,
        rewrite: Option<Box<Substitution>>,
    },
    Cookie {
        name: Name,
        issue: Option<Box<HashCookie>>,
    },
    PeerAddress,
    QueryParameter(Name),
    /// A header that no request can carry.
    Never,
}

/// What of a request can be hashed.
#[derive(Clone, Copy, Debug)]
pub struct HashInput<'a> {
    /// All headers.
    pub headers: &'a HeaderMap,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// The address of the client.
    pub source_ip: IpAddr,
}

impl RequestHasher {
    /// Compiles the policies of a route.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(policies: &[HashPolicy]) -> Result<RequestHasher, RegexError> {
        let rule = |policy: &HashPolicy| {
            let source = match &policy.source {
                HashSource::Header { name, rewrite } => {
                    let rewrite = rewrite.as_ref().map(Substitution::compile).transpose()?.map(Box::new);
                    HeaderName::try_from(&**name)
                        .map_or(Source::Never, |name| Source::Header { name, rewrite })
                }
                HashSource::Cookie(cookie) => Source::Cookie {
                    name: cookie.name.clone(),
                    issue: cookie.ttl.map(|_| Box::new(cookie.clone())),
                },
                HashSource::SourceIp => Source::PeerAddress,
                HashSource::QueryParameter(name) => Source::QueryParameter(name.clone()),
            };
            Ok(Rule { source, terminal: policy.terminal })
        };
        policies.iter().map(rule).collect::<Result<_, _>>().map(RequestHasher)
    }

    /// The hash of a request; `None` if it has nothing of what is hashed. Each hash is mixed into a rotation of those
    /// before it, as Envoy does. `issue` makes the value of a cookie that the client lacks and is given; without it
    /// none is given.
    pub fn hash(&self, input: HashInput<'_>, mut issue: Option<&mut Issuer<'_>>) -> Option<u64> {
        let mut hash: Option<u64> = None;
        for rule in &self.0 {
            let issued = || issue.as_mut()?.issue(&rule.source);
            if let Some(new) = rule.source.hash(input).or_else(issued) {
                hash = Some(hash.map_or(0, |before| before.rotate_left(1)) ^ new);
            }
            if rule.terminal && hash.is_some() {
                break;
            }
        }
        hash
    }
}

/// Gives cookies to clients that have none.
pub struct Issuer<'a> {
    /// What tells connections apart: all requests of one get the same value.
    pub connection: &'a str,
    /// What has to go into `set-cookie`.
    pub cookies: Vec<String>,
}

impl Issuer<'_> {
    /// The hash of the new cookie, where one is to be given.
    fn issue(&mut self, source: &Source) -> Option<u64> {
        let Source::Cookie { issue: Some(cookie), .. } = source else { return None };
        let value = format!("{:016x}", xx(self.connection.as_bytes()));
        self.cookies.push(set_cookie(cookie, &value));
        Some(xx(value.as_bytes()))
    }
}

/// The value of `set-cookie` for a client that is given this cookie.
pub fn set_cookie(cookie: &HashCookie, value: &str) -> String {
    let mut line = format!("{}=\"{value}\"", cookie.name);
    if let Some(seconds) = cookie.ttl.map(|ttl| ttl.as_secs()).filter(|seconds| *seconds > 0) {
        line.push_str(&format!("; Max-Age={seconds}"));
    }
    if !cookie.path.is_empty() {
        line.push_str(&format!("; Path={}", cookie.path));
    }
    for (name, value) in &cookie.attributes {
        line.push_str(&format!("; {name}"));
        if !value.is_empty() {
            line.push_str(&format!("={value}"));
        }
    }
    line.push_str("; HttpOnly");
    line
}

impl Source {
    fn hash(&self, input: HashInput<'_>) -> Option<u64> {
        match self {
            Source::Header { name, rewrite } => header_hash(input.headers, name, rewrite.as_deref()),
            Source::Cookie { name, .. } => {
                let value = cookie(input.headers, name).filter(|value| !value.is_empty())?;
                Some(xx(value.as_bytes()))
            }
            Source::PeerAddress => Some(xx(input.source_ip.to_string().as_bytes())),
            Source::QueryParameter(name) => {
                let mut pairs =
                    input.query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let (_, value) = pairs.find(|(found, _)| **found == **name)?;
                Some(xx(value.as_bytes()))
            }
            Source::Never => None,
        }
    }
}

/// Several values are hashed in alphabetical order, each with the hash of those before it as its seed.
fn header_hash(headers: &HeaderMap, name: &HeaderName, rewrite: Option<&Substitution>) -> Option<u64> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    for value in headers.get_all(name) {
        values.push(match (rewrite, value.to_str()) {
            (Some(rewrite), Ok(text)) => rewrite.replace_all(text).into_owned().into_bytes(),
            _ => value.as_bytes().to_vec(),
        });
    }
    values.sort();
    if values.is_empty() { None } else { Some(values.iter().fold(0, |seed, value| xx_seeded(value, seed))) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    use ripstop_model::route::RegexSubstitution;

    fn policy(source: HashSource) -> HashPolicy {
        HashPolicy { source, terminal: false }
    }

    fn header(name: &str) -> HashSource {
        HashSource::Header { name: name.into(), rewrite: None }
    }

    fn hash(
        policies: &[HashPolicy],
        lines: &[(&'static str, &'static str)],
        query: Option<&str>,
    ) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let source_ip = "10.0.0.1".parse().unwrap();
        RequestHasher::compile(policies)
            .unwrap()
            .hash(HashInput { headers: &headers, query, source_ip }, None)
    }

    #[test]
    fn each_source_gives_the_hash_of_its_value() {
        let a = Some(xx(b"a"));
        assert_eq!(hash(&[policy(header("x-k"))], &[("x-k", "a")], None), a);
        assert_eq!(hash(&[policy(header("x-k"))], &[], None), None);
        let cookie = HashCookie { name: "k".into(), ttl: None, path: "".into(), attributes: Vec::new() };
        let cookie = [policy(HashSource::Cookie(cookie))];
        assert_eq!(hash(&cookie, &[("cookie", "b=1; k=a")], None), a);
        assert_eq!(hash(&cookie, &[("cookie", "b=1")], None), None);
        let query = [policy(HashSource::QueryParameter("k".into()))];
        assert_eq!(hash(&query, &[], Some("b&k=a&k=b")), a);
        assert_eq!(hash(&query, &[], Some("b")), None);
        assert_eq!(hash(&[policy(HashSource::SourceIp)], &[], None), Some(xx(b"10.0.0.1")));
        let rule = RegexSubstitution { pattern: "^x".into(), substitution: "".into() };
        let rewritten = HashSource::Header { name: "x-k".into(), rewrite: Some(rule) };
        assert_eq!(hash(&[policy(rewritten)], &[("x-k", "xa")], None), a);
    }

    #[test]
    fn a_client_without_the_cookie_is_given_one() {
        let cookie = HashCookie {
            name: "k".into(),
            ttl: Some(Duration::from_secs(10)),
            path: "/p".into(),
            attributes: vec![("SameSite".into(), "Lax".into()), ("Secure".into(), "".into())],
        };
        let hasher = RequestHasher::compile(&[policy(HashSource::Cookie(cookie))]).unwrap();
        let mut headers = HeaderMap::new();
        let mut issuer = Issuer { connection: "here and there", cookies: Vec::new() };
        let source_ip = "10.0.0.1".parse().unwrap();
        let input = HashInput { headers: &headers, query: None, source_ip };
        let first = hasher.hash(input, Some(&mut issuer));
        let value = format!("{:016x}", xx(b"here and there"));
        let expected = format!("k=\"{value}\"; Max-Age=10; Path=/p; SameSite=Lax; Secure; HttpOnly");
        assert_eq!(issuer.cookies, [expected]);
        assert_eq!(hasher.hash(input, None), None);
        headers.insert("cookie", HeaderValue::from_str(&format!("k=\"{value}\"")).unwrap());
        let input = HashInput { headers: &headers, query: None, source_ip };
        assert_eq!(hasher.hash(input, None), first);
    }

    #[test]
    fn several_values_and_policies_are_mixed() {
        let two = |first, second| hash(&[policy(header("x-k"))], &[("x-k", first), ("x-k", second)], None);
        assert_eq!(two("a", "b"), Some(xx_seeded(b"b", xx(b"a"))));
        assert_eq!(two("a", "b"), two("b", "a"));
        let both = |terminal| {
            let first = HashPolicy { source: header("x-k"), terminal };
            hash(&[first, policy(header("x-l"))], &[("x-k", "a"), ("x-l", "b")], None)
        };
        assert_eq!(both(true), Some(xx(b"a")));
        assert_eq!(both(false), Some(xx(b"a").rotate_left(1) ^ xx(b"b")));
    }
}
