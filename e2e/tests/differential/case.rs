//! A case as its file says it: one configuration, and what is asked of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ripstop_yaml::{Problems, Reader, Source, parse};

/// How far the share of an upstream may be from the one meant, unless the step says otherwise.
const SHARE_TOLERANCE: f64 = 0.12;

/// One configuration and its requests.
pub struct Case {
    /// `AREA/NAME`.
    pub name: String,
    /// The bootstrap, with placeholders.
    pub config: String,
    /// Whether both have to refuse the configuration, and what Ripstop has to say then.
    pub refused: Option<String>,
    /// How the upstreams are that are not ordinary HTTP/1 ones.
    pub upstreams: BTreeMap<String, UpstreamKind>,
    /// Files that are written before the start, with placeholders.
    pub files: BTreeMap<String, String>,
    /// Whether access logs are compared.
    pub log: bool,
    /// Differences that are meant, in every request.
    pub differs: Vec<Differs>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// What an upstream speaks.
#[derive(Clone, Debug, Default)]
pub struct UpstreamKind {
    /// HTTP/2 by prior knowledge or ALPN.
    pub http2: bool,
    /// Sends back every byte, in place of HTTP.
    pub echo: bool,
    /// Begins with TLS, with the certificate of this name.
    pub tls: Option<String>,
    /// Asks for a client certificate.
    pub client_certificate: bool,
    /// The status of answers to health checks, which are not recorded; of gRPC, 200 stands for SERVING.
    pub check: Option<u16>,
}

/// A difference that is meant.
#[derive(Clone, Debug)]
pub struct Differs {
    /// The field; `*` at its end stands for any rest.
    pub field: String,
    /// The name under which `docs/xds-support.md` tells why.
    pub why: String,
}

/// One thing that is done.
pub struct Step {
    /// Words for a report.
    pub name: String,
    /// What it is.
    pub action: Action,
    /// Which listener; `admin` for the administrator's port.
    pub listener: String,
    /// A Unix socket in `{{dir}}` in place of the listener's port.
    pub unix: Option<String>,
    /// TLS towards the listener.
    pub tls: Option<Tls>,
    /// Uses the connection of the step before.
    pub keep: bool,
    /// The status that both have to give.
    pub status: Option<u16>,
    /// The upstreams that have to be reached, sorted; waited for, since copies of requests come late.
    pub seen: Option<Vec<String>>,
    /// Differences that are meant.
    pub differs: Vec<Differs>,
    /// Fields that are not compared because they are decided by time or dice.
    pub ignore: Vec<String>,
    /// Whether the order of headers of different names is compared, which means nothing in HTTP.
    pub order: bool,
    /// Asked again until this status comes, as after a change of files.
    pub until_status: Option<u16>,
    /// How often, and how large the share of each upstream has to be.
    pub shares: Option<(u32, BTreeMap<String, f64>)>,
    /// How far a share may be from the one meant.
    pub tolerance: f64,
}

/// What a step does.
pub enum Action {
    /// A request that is well-formed.
    Request(Request),
    /// Bytes on a connection.
    Bytes(Vec<Exchange>),
    /// Replaces files, each at once.
    Write(BTreeMap<String, String>),
}

/// Protocols of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http10,
    Http11,
    Http2,
}

/// A well-formed request.
#[derive(Clone)]
pub struct Request {
    pub protocol: Protocol,
    pub method: String,
    pub path: String,
    /// In this order, with this case. `host` is among them.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub chunked: bool,
    pub trailers: Vec<(String, String)>,
}

/// TLS of the client.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub sni: Option<String>,
    pub alpn: Vec<String>,
    /// Name of the certificate that is shown.
    pub certificate: Option<String>,
    /// Newest version: 1.2 or 1.3.
    pub max_version: Option<String>,
}

/// One step on a connection of bytes.
#[derive(Clone, Debug)]
pub enum Exchange {
    Send(Vec<u8>),
    /// Reads until what was read since the last exchange contains this.
    Until(Vec<u8>),
    Pause(Duration),
    /// Asks the administrator's port for a page by POST, on a connection of its own; the port is known when it is rendered.
    Admin {
        path: String,
        port: u16,
    },
    /// Ends our half.
    Finish,
    /// Reads to the end, or to silence.
    Drain,
}

impl Case {
    /// How many requests are compared.
    pub fn requests(&self) -> usize {
        let asks = |step: &&Step| !matches!(step.action, Action::Write(_));
        self.steps.iter().filter(asks).count().max(usize::from(self.refused.is_some()))
    }
}

/// Reads a case.
///
/// # Errors
/// With every problem of the file.
pub fn read(name: &str, path: &Path) -> Result<Case, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let shown = path.strip_prefix(ripstop_e2e::binaries::repository()).unwrap_or(path);
    let source = Source::new(shown.display().to_string(), text);
    let documents = parse(&source).map_err(|problem| problem.to_string())?;
    let problems = Problems::new(&source);
    let reader = Reader::new(&documents[0].root, "", &problems);
    let case = case(name, &reader);
    reader.finish();
    let problems = problems.into_vec();
    if problems.is_empty() {
        return Ok(case);
    }
    Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn case(name: &str, reader: &Reader) -> Case {
    let _ = reader.required_str("about");
    let blocks = reader.string_map("with");
    let skeleton = reader.str("skeleton").unwrap_or_else(|| "http".to_owned());
    let config = match reader.str("config") {
        Some(config) => config,
        None => match crate::template::skeleton(&skeleton, &blocks) {
            Ok(config) => config,
            Err(error) => {
                reader.error_here(error);
                String::new()
            }
        },
    };
    let mut upstreams = BTreeMap::new();
    if let Some(map) = reader.map("upstreams") {
        for entry in map.here().entries() {
            if let Some(one) = map.map(&entry.key) {
                upstreams.insert(entry.key.clone(), upstream(&one));
                one.finish();
            }
        }
        map.finish();
    }
    let defaults = Defaults { protocol: protocol(reader), tls: reader.map("tls").map(tls) };
    let steps = reader.maps("requests").into_iter().map(|one| step(one, &defaults)).collect();
    Case {
        name: name.to_owned(),
        config,
        refused: reader.str("refused"),
        upstreams,
        files: reader.string_map("files"),
        log: reader.bool("log").unwrap_or(true),
        differs: differs(reader),
        steps,
    }
}

struct Defaults {
    protocol: Option<Protocol>,
    tls: Option<Tls>,
}

fn upstream(reader: &Reader) -> UpstreamKind {
    UpstreamKind {
        http2: protocol(reader) == Some(Protocol::Http2),
        echo: reader.bool("echo").unwrap_or(false),
        tls: reader.str("tls"),
        client_certificate: reader.bool("client_certificate").unwrap_or(false),
        check: reader.u32("check").and_then(|status| status.try_into().ok()),
    }
}

fn protocol(reader: &Reader) -> Option<Protocol> {
    reader
        .one_of("protocol", &[("h1", Protocol::Http11), ("h2", Protocol::Http2), ("h1.0", Protocol::Http10)])
}

fn differs(reader: &Reader) -> Vec<Differs> {
    let mut all = Vec::new();
    for one in reader.maps("differs") {
        if let (Some(field), Some(why)) = (one.required_str("field"), one.required_str("why")) {
            all.push(Differs { field, why });
        }
        one.finish();
    }
    all
}

fn tls(reader: Reader) -> Tls {
    let tls = Tls {
        sni: reader.str("sni"),
        alpn: reader.strings("alpn"),
        certificate: reader.str("certificate"),
        max_version: reader.str("max_version"),
    };
    reader.finish();
    tls
}

fn step(reader: Reader, defaults: &Defaults) -> Step {
    let keep = reader.one_of("connection", &[("keep", true), ("new", false)]).unwrap_or(false);
    let action = if let Some(raw) = reader.str("raw") {
        Action::Bytes(vec![Exchange::Send(latin1(&raw)), Exchange::Drain])
    } else if reader.has("exchange") {
        Action::Bytes(reader.maps("exchange").into_iter().filter_map(exchange).collect())
    } else if reader.has("write") {
        Action::Write(reader.string_map("write"))
    } else {
        Action::Request(request(&reader, defaults))
    };
    let name = reader.str("name").unwrap_or_else(|| words(&action));
    let shares = reader.map("shares").map(|map| {
        let shares = map.here().entries().iter();
        let shares = shares.filter_map(|entry| Some((entry.key.clone(), map.f64(&entry.key)?))).collect();
        map.finish();
        (reader.u32("repeat").unwrap_or(200), shares)
    });
    let step = Step {
        name,
        action,
        listener: reader.str("listener").unwrap_or_else(|| "main".to_owned()),
        unix: reader.str("unix"),
        tls: reader.map("tls").map(tls).or_else(|| defaults.tls.clone()),
        keep,
        status: reader.u32("status").and_then(|status| status.try_into().ok()),
        seen: reader.has("seen").then(|| reader.strings("seen")),
        differs: differs(&reader),
        ignore: reader.strings("ignore"),
        order: reader.bool("order").unwrap_or(false),
        until_status: reader.u32("until_status").and_then(|status| status.try_into().ok()),
        shares,
        tolerance: reader.f64("tolerance").unwrap_or(SHARE_TOLERANCE),
    };
    reader.finish();
    step
}

fn exchange(reader: Reader) -> Option<Exchange> {
    let exchange = if let Some(text) = reader.str("send") {
        Some(Exchange::Send(latin1(&text)))
    } else if let Some(hex) = reader.str("send_hex") {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        Some(Exchange::Send(digits.chunks(2).filter_map(byte).collect()))
    } else if reader.has("frames") {
        Some(Exchange::Send(crate::frames::read(&reader)))
    } else if let Some(text) = reader.str("until") {
        Some(Exchange::Until(latin1(&text)))
    } else if let Some(pause) = reader.duration("pause") {
        Some(Exchange::Pause(pause))
    } else if let Some(path) = reader.str("admin") {
        Some(Exchange::Admin { path, port: 0 })
    } else if reader.bool("finish") == Some(true) {
        Some(Exchange::Finish)
    } else if reader.bool("drain") == Some(true) {
        Some(Exchange::Drain)
    } else {
        reader.error_here("one of send, send_hex, frames, until, pause, admin, finish, drain");
        None
    };
    reader.finish();
    exchange
}

fn request(reader: &Reader, defaults: &Defaults) -> Request {
    let written = reader.strings("headers");
    let mut headers: Vec<(String, String)> = written.iter().map(|line| header(line)).collect();
    let host = reader.str("host").unwrap_or_else(|| "example.com".to_owned());
    if host != "none" && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        headers.insert(0, ("host".to_owned(), host));
    }
    let body = match reader.u64("body_bytes") {
        Some(count) => vec![b'x'; count.try_into().unwrap()],
        None => latin1(&reader.str("body").unwrap_or_default()),
    };
    let trailers: Vec<_> = reader.strings("trailers").iter().map(|line| header(line)).collect();
    Request {
        protocol: protocol(reader).or(defaults.protocol).unwrap_or(Protocol::Http11),
        method: reader.str("method").unwrap_or_else(|| "GET".to_owned()),
        path: reader.str("path").unwrap_or_else(|| "/".to_owned()),
        headers,
        chunked: reader.bool("chunked").unwrap_or(!trailers.is_empty()),
        body,
        trailers,
    }
}

fn header(line: &str) -> (String, String) {
    // A name may begin with a colon.
    let at = line.char_indices().skip(1).find(|(_, c)| *c == ':').map_or(line.len(), |(at, _)| at);
    let value = line.get(at + 1..).unwrap_or_default();
    (line[..at].to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
}

/// Characters below U+0100 stand for one byte each, others for their UTF-8.
pub fn latin1(text: &str) -> Vec<u8> {
    if text.chars().all(|c| u32::from(c) < 0x100) {
        return text.chars().map(|c| c as u8).collect();
    }
    text.as_bytes().to_vec()
}

fn words(action: &Action) -> String {
    match action {
        Action::Request(request) => format!("{} {}", request.method, request.path),
        Action::Bytes(exchanges) => match exchanges.first() {
            Some(Exchange::Send(bytes)) => bytes[..bytes.len().min(60)].escape_ascii().to_string(),
            _ => "bytes".to_owned(),
        },
        Action::Write(files) => format!("write {}", files.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}
