//! The skeleton of admin pages: a small HTTP/1.1 server over a table of pages. Not for user traffic.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::shutdown::ShutdownWatch;

/// Most admin connections at once; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 64;

/// A request head that takes longer is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What a page answers.
pub type Answer = Response<Full<Bytes>>;

type Handler = Box<dyn Fn(&Query<'_>) -> Answer + Send + Sync>;

struct Page {
    path: &'static str,
    method: Method,
    help: &'static str,
    handler: Handler,
}

/// The pages of a process.
#[derive(Default)]
pub struct Pages {
    pages: Vec<Page>,
}

impl Pages {
    /// A page that only reads.
    pub fn get(
        mut self,
        path: &'static str,
        help: &'static str,
        handler: impl Fn(&Query<'_>) -> Answer + Send + Sync + 'static,
    ) -> Pages {
        self.pages.push(Page { path, method: Method::GET, help, handler: Box::new(handler) });
        self
    }

    /// A page that changes something.
    pub fn post(
        mut self,
        path: &'static str,
        help: &'static str,
        handler: impl Fn(&Query<'_>) -> Answer + Send + Sync + 'static,
    ) -> Pages {
        self.pages.push(Page { path, method: Method::POST, help, handler: Box::new(handler) });
        self
    }

    /// What a request is answered.
    pub fn answer(&self, method: &Method, path: &str, query: Option<&str>) -> Answer {
        if path == "/" || path == "/help" {
            return text(StatusCode::OK, self.help());
        }
        let Some(page) = self.pages.iter().find(|page| page.path == path) else {
            return text(StatusCode::NOT_FOUND, format!("no page {path}\n\n{}", self.help()));
        };
        let read = *method == Method::GET || *method == Method::HEAD;
        if page.method == Method::GET && read || page.method == *method {
            return (page.handler)(&Query(query.unwrap_or_default()));
        }
        text(StatusCode::METHOD_NOT_ALLOWED, format!("{path} answers to {}\n", page.method))
    }

    fn help(&self) -> String {
        let mut out = String::from("Pages:\n");
        for page in &self.pages {
            let method = if page.method == Method::GET { "" } else { "(POST) " };
            out.push_str(&format!("  {:<24}{method}{}\n", page.path, page.help));
        }
        out
    }
}

/// The query of a request, `a=1&b`.
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The raw value of `name`; empty when it stands without one.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }
}

/// A plain text answer.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/plain; charset=UTF-8", body)
}

/// A JSON answer.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "application/json", body)
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

/// Whether a browser was led here by a page of somebody else's. By a name of theirs that leads here (DNS rebinding), which
/// the `host` says: it has to be a loopback name or address, or `own`, the address that the client connected to; who opens
/// the pages to the network is also called by name. Or by a form of theirs, which only `origin` says.
fn is_led_astray<B>(request: &Request<B>, own: IpAddr) -> bool {
    let header = request.headers().get(header::HOST).map(|host| Authority::try_from(host.as_bytes()));
    let host = match (request.uri().authority(), header) {
        (Some(authority), _) => authority.clone(),
        (None, Some(Ok(authority))) => authority,
        (None, Some(Err(_))) => return true,
        // HTTP/1.0, which browsers do not speak.
        (None, None) => return false,
    };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let ours = match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.to_canonical() == own.to_canonical(),
        Err(_) => name.eq_ignore_ascii_case("localhost") || (!own.is_loopback() && !name.is_empty()),
    };
    let changes = *request.method() != Method::GET && *request.method() != Method::HEAD;
    !ours || changes && request.headers().contains_key(header::ORIGIN)
}

/// Serves the pages until everything has to stop, so that they can be read while draining.
pub async fn serve(listener: TcpListener, pages: Arc<Pages>, mut shutdown: ShutdownWatch) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.stopped() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: others need the time to close some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let pages = pages.clone();
        tokio::spawn(async move {
            serve_connection(stream, pages).await;
            drop(slot);
        });
    }
}

async fn serve_connection(stream: TcpStream, pages: Arc<Pages>) {
    let Ok(own) = stream.local_addr() else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = if is_led_astray(&request, own.ip()) {
            text(
                StatusCode::FORBIDDEN,
                "ask for these pages by a loopback name or by the address they are served at\n",
            )
        } else {
            pages.answer(request.method(), request.uri().path(), request.uri().query())
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::default()
            .get("/ready", "whether traffic is taken", |_| text(StatusCode::OK, "LIVE\n"))
            .post("/quitquitquit", "ends the process", |_| text(StatusCode::OK, "OK\n"))
            .get("/echo", "", |q| text(StatusCode::OK, q.get("a").unwrap_or("none").to_owned()))
    }

    #[test]
    fn pages_are_found_by_path_and_method() {
        let check = |method: Method, path: &str, status: u16| {
            assert_eq!(pages().answer(&method, path, None).status(), status, "{method} {path}");
        };
        check(Method::GET, "/ready", 200);
        check(Method::HEAD, "/ready", 200);
        check(Method::POST, "/ready", 405);
        check(Method::GET, "/quitquitquit", 405);
        check(Method::POST, "/quitquitquit", 200);
        check(Method::GET, "/nothing", 404);
        check(Method::GET, "/", 200);
    }

    #[test]
    fn pages_of_others_cannot_lead_a_browser_here() {
        let check = |own: [u8; 4], method: Method, headers: &[(&str, &str)], astray: bool| {
            let mut request = Request::builder().method(&method).uri("/quitquitquit");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            assert_eq!(is_led_astray(&request, own.into()), astray, "{own:?} {method} {headers:?}");
        };
        let (loopback, network) = ([127, 0, 0, 1], [10, 0, 0, 7]);
        for host in ["localhost:9901", "127.0.0.1:9901", "[::1]:9901", "10.0.0.7:9901", "LOCALHOST"] {
            check(network, Method::GET, &[("host", host)], false);
            check(network, Method::POST, &[("host", host)], false);
        }
        for host in ["evil.example:9901", "localhost.evil.example", "10.0.0.8", "127.0.0.1@evil.example", ""]
        {
            check(loopback, Method::GET, &[("host", host)], true);
        }
        check(network, Method::GET, &[("host", "gateway-envoy:9901")], false);
        check(network, Method::GET, &[("host", "10.0.0.8:9901")], true);
        check(loopback, Method::POST, &[("host", "localhost"), ("origin", "http://evil.example")], true);
        check(network, Method::POST, &[("host", "gateway"), ("origin", "http://evil.example")], true);
        check(loopback, Method::GET, &[], false);
    }

    #[test]
    fn queries_are_read() {
        assert_eq!(Query("x&a=1&b=2").get("a"), Some("1"));
        assert_eq!(Query("usedonly").get("usedonly"), Some(""));
        assert_eq!(Query("").get("a"), None);
    }
}
