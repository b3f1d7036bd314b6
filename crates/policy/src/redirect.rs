//! Where a redirect leads. The rules about ports are Envoy's.

use ripstop_model::Name;
use ripstop_model::route::{PathMatch, PathRewrite, Redirect, RedirectPath, RedirectScheme};

use crate::rewrite::PathRewriter;
use crate::route::text::RegexError;

/// A compiled [`Redirect`].
#[derive(Clone, Debug)]
pub struct Redirector {
    scheme: Option<Name>,
    host: Option<Name>,
    port: Option<u32>,
    path: PathRule,
    strip_query: bool,
}

#[derive(Clone, Debug)]
enum PathRule {
    Keep,
    Whole(String),
    Rewrite(PathRewriter),
}

/// The URL of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestUrl<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `x-forwarded-proto`: what the client spoke to the first proxy.
    pub forwarded_proto: &'a str,
    /// Host and, where the client sent one, port.
    pub authority: &'a str,
    /// Path and query.
    pub path_and_query: &'a str,
}

impl Redirector {
    /// Compiles a redirect of the requests that `matched` takes.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(redirect: &Redirect, matched: &PathMatch) -> Result<Redirector, RegexError> {
        let rewrite = |rewrite: &PathRewrite| PathRewriter::compile(matched, rewrite).map(PathRule::Rewrite);
        let path = match &redirect.path {
            None => PathRule::Keep,
            Some(RedirectPath::Whole(path)) if path.starts_with('/') => PathRule::Whole(path.to_string()),
            Some(RedirectPath::Whole(path)) => PathRule::Whole(format!("/{path}")),
            Some(RedirectPath::Prefix(prefix)) => rewrite(&PathRewrite::Prefix(prefix.clone()))?,
            Some(RedirectPath::Regex(regex)) => rewrite(&PathRewrite::Regex(regex.clone()))?,
        };
        Ok(Redirector {
            scheme: redirect.scheme.as_ref().map(|scheme| match scheme {
                RedirectScheme::Https => Name::from("https"),
                RedirectScheme::Named(scheme) => scheme.clone(),
            }),
            host: redirect.host.clone(),
            port: redirect.port,
            path,
            strip_query: redirect.strip_query,
        })
    }

    /// The redirect of a virtual host that wants TLS: the same URL with `https`, port included.
    pub fn to_https(url: RequestUrl<'_>) -> String {
        format!("https://{}{}", url.authority, url.path_and_query)
    }

    /// Where the request should go.
    pub fn location(&self, url: RequestUrl<'_>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(url.scheme);
        let host = match &self.host {
            Some(host) => host,
            None => self.request_host(scheme, url),
        };
        let mut location = format!("{scheme}://{host}");
        if let Some(port) = self.port {
            location.push_str(&format!(":{port}"));
        }
        let query = url.path_and_query.split_once('?').map(|(_, query)| query);
        let (path, strip) = match &self.path {
            PathRule::Keep => (url.path_and_query.to_owned(), self.strip_query),
            PathRule::Rewrite(rewriter) => {
                let rewritten = rewriter.rewrite(url.path_and_query);
                (rewritten.unwrap_or_else(|| url.path_and_query.to_owned()), self.strip_query)
            }
            // A query of its own takes the place of that of the request, and is never stripped.
            PathRule::Whole(path) if path.contains('?') => (path.clone(), false),
            PathRule::Whole(path) => match query.filter(|_| !self.strip_query) {
                Some(query) => (format!("{path}?{query}"), false),
                None => (path.clone(), false),
            },
        };
        let end = path.find('?').filter(|_| strip).unwrap_or(path.len());
        location.push_str(&path[..end]);
        location
    }

    /// The host that was asked for. It loses its port where another takes its place, or where it is the usual one of
    /// the scheme that the client used and the scheme changes.
    fn request_host<'a>(&self, scheme: &str, url: RequestUrl<'a>) -> &'a str {
        let host = url.authority;
        let colon = match host.starts_with('[') {
            true => host.rfind("]:").map(|at| at + 1),
            false => host.rfind(':'),
        };
        let Some(colon) = colon else { return host };
        let usual = match url.forwarded_proto {
            "https" => &host[colon..] == ":443",
            "http" => &host[colon..] == ":80",
            _ => false,
        };
        if self.port.is_some() || (usual && scheme != url.forwarded_proto) { &host[..colon] } else { host }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::route::RegexSubstitution;

    fn check(redirect: Redirect, authority: &str, path_and_query: &str, expected: &str) {
        let matched = PathMatch::Prefix("/old".into());
        let url = RequestUrl { scheme: "http", forwarded_proto: "http", authority, path_and_query };
        let redirector = Redirector::compile(&redirect, &matched).unwrap();
        assert_eq!(redirector.location(url), expected, "{redirect:?} of {url:?}");
    }

    #[test]
    fn ports_are_dropped_as_envoy_drops_them() {
        let https = || Redirect { scheme: Some(RedirectScheme::Https), ..Redirect::new() };
        check(https(), "h.com", "/old?a", "https://h.com/old?a");
        check(https(), "h.com:80", "/old", "https://h.com/old");
        check(https(), "h.com:8080", "/old", "https://h.com:8080/old");
        check(https(), "[::1]:80", "/old", "https://[::1]/old");
        check(https(), "[::1]", "/old", "https://[::1]/old");
        check(Redirect::new(), "h.com:80", "/old", "http://h.com:80/old");
        let port = Redirect { port: Some(8080), ..Redirect::new() };
        check(port.clone(), "h.com:99", "/old", "http://h.com:8080/old");
        let host = Some("other.com:9".into());
        check(Redirect { host, ..port }, "h.com", "/old", "http://other.com:9:8080/old");
    }

    #[test]
    fn paths_are_replaced_in_three_ways() {
        let path =
            |path: RedirectPath, strip_query| Redirect { path: Some(path), strip_query, ..Redirect::new() };
        let whole = |text: &str, strip| path(RedirectPath::Whole(text.into()), strip);
        check(whole("/np", false), "h", "/old?a=1", "http://h/np?a=1");
        check(whole("/np", true), "h", "/old?a=1", "http://h/np");
        check(whole("/np?z=1", false), "h", "/old?a=1", "http://h/np?z=1");
        check(whole("/np?z=1", true), "h", "/old?a=1", "http://h/np?z=1");
        check(whole("np", false), "h", "/old", "http://h/np");
        let prefix = |strip| path(RedirectPath::Prefix("/w".into()), strip);
        check(prefix(false), "h", "/old/x?q", "http://h/w/x?q");
        check(prefix(true), "h", "/old/x?q", "http://h/w/x");
        let rule = RegexSubstitution { pattern: "^/(.*)$".into(), substitution: r"/new/\1".into() };
        check(path(RedirectPath::Regex(rule), false), "h", "/old?q=/y", "http://h/new/old?q=/y");
    }
}
