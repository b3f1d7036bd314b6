//! The table of pages: which there are, what they take, and what a request is answered.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;

/// What a page answers.
pub type Answer = Response<Full<Bytes>>;

type Handler = Box<dyn Fn(&Query) -> Answer + Send + Sync>;

/// A parameter of a page: its name and what it does.
pub type Param = (&'static str, &'static str);

struct Page {
    path: &'static str,
    help: &'static str,
    params: &'static [Param],
    changes: bool,
    handler: Handler,
}

/// What a caller may look for among the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// Where it is.
    pub path: &'static str,
    /// What it is, in a few words.
    pub help: &'static str,
    /// What it takes.
    pub params: &'static [Param],
    /// Whether it changes something, so that it answers to POST alone.
    pub changes: bool,
}

/// The pages of a process.
pub struct Pages {
    pages: Vec<Page>,
    allowed: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Default for Pages {
    fn default() -> Pages {
        Pages { pages: Vec::new(), allowed: Box::new(|_| true) }
    }
}

impl Pages {
    /// A page that only reads.
    pub fn get(
        self,
        path: &'static str,
        help: &'static str,
        params: &'static [Param],
        handler: impl Fn(&Query) -> Answer + Send + Sync + 'static,
    ) -> Pages {
        self.with(Page { path, help, params, changes: false, handler: Box::new(handler) })
    }

    /// A page that changes something.
    pub fn post(
        self,
        path: &'static str,
        help: &'static str,
        params: &'static [Param],
        handler: impl Fn(&Query) -> Answer + Send + Sync + 'static,
    ) -> Pages {
        self.with(Page { path, help, params, changes: true, handler: Box::new(handler) })
    }

    /// Answers only paths for which `allowed` says so.
    pub fn restricted(mut self, allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Pages {
        self.allowed = Box::new(allowed);
        self
    }

    fn with(mut self, page: Page) -> Pages {
        let at = self.pages.partition_point(|other| other.path < page.path);
        self.pages.insert(at, page);
        self
    }

    /// The pages, by path.
    pub fn list(&self) -> impl Iterator<Item = PageInfo> {
        self.pages.iter().map(|page| PageInfo {
            path: page.path,
            help: page.help,
            params: page.params,
            changes: page.changes,
        })
    }

    /// What a request is answered.
    pub fn answer(&self, method: &Method, path: &str, query: &Query) -> Answer {
        if !(self.allowed)(path) {
            return text(StatusCode::FORBIDDEN, format!("request to path {path} not allowed"));
        }
        if path == "/help" {
            return text(StatusCode::OK, self.help());
        }
        let Some(page) = self.pages.iter().find(|page| page.path == path) else {
            return text(StatusCode::NOT_FOUND, format!("invalid path. {}", self.help()));
        };
        if page.changes && *method != Method::POST {
            let refusal = format!("Method {method} not allowed, POST required.");
            return text(StatusCode::METHOD_NOT_ALLOWED, refusal);
        }
        (page.handler)(query)
    }

    fn help(&self) -> String {
        let help = ("/help", "print out list of admin commands", &[][..], false);
        let mut all: Vec<_> =
            self.list().map(|page| (page.path, page.help, page.params, page.changes)).collect();
        all.push(help);
        all.sort_by_key(|page| page.0);
        let mut out = String::from("admin commands are:\n");
        for (path, help, params, changes) in all {
            let method = if changes { " (POST)" } else { "" };
            out.push_str(&format!("  {path}{method}: {help}\n"));
            for (name, help) in params {
                out.push_str(&format!("      {name}: {help}\n"));
            }
        }
        out
    }
}

/// The parameters of a request, from its query (`a=1&b`) and from a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b`, with percent signs resolved. As in Envoy, `+` stands for itself.
    pub fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Query(pairs.collect())
    }

    /// These parameters and those of `other`.
    pub fn and(mut self, other: Query) -> Query {
        self.0.extend(other.0);
        self
    }

    /// The value of `name`; empty when it stands without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether `name` is there, with any value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = &behind[2..];
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A plain text answer.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/plain; charset=UTF-8", body)
}

/// A JSON answer.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "application/json", body)
}

/// A page for browsers.
pub fn html(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/html; charset=UTF-8", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::default()
            .get("/ready", "whether traffic is taken", &[], |_| text(StatusCode::OK, "LIVE\n"))
            .post("/quitquitquit", "ends the process", &[], |_| text(StatusCode::OK, "OK\n"))
            .get("/echo", "", &[("a", "what to say")], |q| {
                text(StatusCode::OK, q.get("a").unwrap_or("none").to_owned())
            })
    }

    #[test]
    fn pages_are_found_by_path_and_method() {
        let check = |method: Method, path: &str, status: u16| {
            let answer = pages().answer(&method, path, &Query::default());
            assert_eq!(answer.status(), status, "{method} {path}");
        };
        check(Method::GET, "/ready", 200);
        check(Method::HEAD, "/ready", 200);
        check(Method::POST, "/ready", 200);
        check(Method::GET, "/quitquitquit", 405);
        check(Method::POST, "/quitquitquit", 200);
        check(Method::GET, "/nothing", 404);
        check(Method::GET, "/help", 200);
        let restricted = pages().restricted(|path| path == "/ready");
        assert_eq!(restricted.answer(&Method::GET, "/echo", &Query::default()).status(), 403);
    }

    #[test]
    fn help_names_every_page_and_parameter() {
        let expected = "admin commands are:\n  /echo: \n      a: what to say\n  /help: print out list of admin \
            commands\n  /quitquitquit (POST): ends the process\n  /ready: whether traffic is taken\n";
        assert_eq!(pages().help(), expected);
    }

    #[test]
    fn queries_are_read() {
        let query = Query::parse("x&a=1%2F&b=2+3&c=%zz%4");
        assert_eq!(
            (query.get("a"), query.get("b"), query.get("c")),
            (Some("1/"), Some("2+3"), Some("%zz%4"))
        );
        assert_eq!((query.get("x"), query.has("y")), (Some(""), false));
        assert_eq!(Query::parse("").iter().count(), 0);
    }
}
