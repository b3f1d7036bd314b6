//! Envoy's command operators, compiled once. Not where lines go: that is [`super::writer`].

use std::io::Write;

use http::{HeaderName, HeaderValue, Version};

use super::civil::write_rfc3339_millis;
use super::record::Record;

/// Envoy's default text format.
pub const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// Longest value of one operator; the rest is cut off, so that a line has a bounded length.
const MAX_VALUE_BYTES: usize = 4096;

/// A format that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access log format: {0}")]
pub struct FormatError(String);

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    Operator { operator: Operator, max_bytes: usize },
}

#[derive(Clone, Debug)]
enum Operator {
    StartTime,
    Request(RequestHeader, Option<RequestHeader>),
    Response(HeaderName),
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    BytesSent,
    BytesReceived,
    DurationMs,
    UpstreamCluster,
    UpstreamHost,
    UpstreamAttempts,
    RouteName,
    RemoteAddress { port: bool },
    LocalAddress,
    PeerUriSan,
}

#[derive(Clone, Debug)]
enum RequestHeader {
    Method,
    Path,
    Authority,
    OriginalPath,
    Other(HeaderName),
}

impl Format {
    /// Compiles a format string.
    pub fn compile(format: &str) -> Result<Format, FormatError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(start) = rest.find('%') {
            text.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let end = operator_end(rest)
                .ok_or_else(|| FormatError(format!("'%{rest}' is not ended by a second '%'")))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into_bytes().into()));
            }
            parts.push(compile_operator(&rest[..end])?);
            rest = &rest[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text.into_bytes().into()));
        }
        Ok(Format { parts: parts.into() })
    }

    /// The ordinary request headers that the format shows.
    pub fn request_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Operator { operator: Operator::Request(first, second), .. } => Some((first, second)),
                _ => None,
            })
            .flat_map(|(first, second)| [Some(first), second.as_ref()])
            .filter_map(|header| match header {
                Some(RequestHeader::Other(name)) => Some(name),
                _ => None,
            })
    }

    /// Whether the format shows any response header.
    pub fn shows_response_headers(&self) -> bool {
        let shows = |part: &Part| matches!(part, Part::Operator { operator: Operator::Response(_), .. });
        self.parts.iter().any(shows)
    }

    /// Appends the line of one request.
    pub fn write(&self, record: &Record, line: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => line.extend_from_slice(text),
                Part::Operator { operator, max_bytes } => {
                    let start = line.len();
                    operator.write(record, line);
                    if line.len() == start {
                        line.push(b'-');
                    }
                    line.truncate(start + max_bytes);
                    // A client must not be able to begin a line of its own.
                    for byte in &mut line[start..] {
                        if byte.is_ascii_control() {
                            *byte = b'?';
                        }
                    }
                }
            }
        }
    }
}

/// Where the operator at the beginning of `text` ends: at the first `%` outside parentheses.
fn operator_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '%' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

fn compile_operator(text: &str) -> Result<Part, FormatError> {
    let error = |why: &str| FormatError(format!("%{text}%: {why}"));
    let (head, max_bytes) = match text.rsplit_once(':') {
        Some((head, length)) if head.ends_with(')') => {
            let length = length.parse().map_err(|_| error("the length after ':' is not a number"))?;
            (head, usize::min(length, MAX_VALUE_BYTES))
        }
        _ => (text, MAX_VALUE_BYTES),
    };
    let (name, argument) = match head.split_once('(') {
        Some((name, rest)) => {
            (name, Some(rest.strip_suffix(')').ok_or_else(|| error("a parenthesis is not closed"))?))
        }
        None => (head, None),
    };
    let operator = match (name, argument) {
        ("REQ", Some(names)) => {
            let (first, second) = names.split_once('?').map_or((names, None), |(a, b)| (a, Some(b)));
            let second = second.map(request_header).transpose();
            Operator::Request(request_header(first)?, second?)
        }
        ("RESP", Some(name)) => {
            Operator::Response(name.parse().map_err(|_| error("that is not a header name"))?)
        }
        (_, Some(_)) => return Err(error("this operator is not supported, or takes no argument")),
        ("START_TIME", None) => Operator::StartTime,
        ("PROTOCOL", None) => Operator::Protocol,
        ("RESPONSE_CODE", None) => Operator::ResponseCode,
        ("RESPONSE_FLAGS", None) => Operator::ResponseFlags,
        ("RESPONSE_CODE_DETAILS", None) => Operator::ResponseCodeDetails,
        ("BYTES_SENT", None) => Operator::BytesSent,
        ("BYTES_RECEIVED", None) => Operator::BytesReceived,
        ("DURATION", None) => Operator::DurationMs,
        ("UPSTREAM_CLUSTER", None) => Operator::UpstreamCluster,
        ("UPSTREAM_HOST", None) => Operator::UpstreamHost,
        ("UPSTREAM_REQUEST_ATTEMPT_COUNT", None) => Operator::UpstreamAttempts,
        ("ROUTE_NAME", None) => Operator::RouteName,
        ("DOWNSTREAM_REMOTE_ADDRESS", None) => Operator::RemoteAddress { port: true },
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", None) => Operator::RemoteAddress { port: false },
        ("DOWNSTREAM_LOCAL_ADDRESS", None) => Operator::LocalAddress,
        ("DOWNSTREAM_PEER_URI_SAN", None) => Operator::PeerUriSan,
        (_, None) => return Err(error("this operator is not supported")),
    };
    Ok(Part::Operator { operator, max_bytes })
}

fn request_header(name: &str) -> Result<RequestHeader, FormatError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        ":method" => RequestHeader::Method,
        ":path" => RequestHeader::Path,
        ":authority" | "host" => RequestHeader::Authority,
        "x-envoy-original-path" => RequestHeader::OriginalPath,
        other => RequestHeader::Other(
            other.parse().map_err(|_| FormatError(format!("'{name}' is not a header name")))?,
        ),
    })
}

impl Operator {
    fn write(&self, record: &Record, line: &mut Vec<u8>) {
        let text = |line: &mut Vec<u8>, text: &str| line.extend_from_slice(text.as_bytes());
        // Writing to a vector cannot fail.
        let number = |line: &mut Vec<u8>, n: u64| drop(write!(line, "{n}"));
        match self {
            Operator::StartTime => write_rfc3339_millis(record.start, line),
            Operator::Request(first, second) => {
                let start = line.len();
                first.write(record, line);
                if let (true, Some(second)) = (line.len() == start, second) {
                    second.write(record, line);
                }
            }
            Operator::Response(name) => {
                let value = record.response_headers.as_ref().and_then(|headers| headers.get(name));
                line.extend_from_slice(value.map(HeaderValue::as_bytes).unwrap_or_default());
            }
            Operator::Protocol => text(line, protocol(record.protocol)),
            Operator::ResponseCode => number(line, record.status.into()),
            Operator::ResponseFlags => text(line, record.flag.map_or("", |flag| flag.as_str())),
            Operator::ResponseCodeDetails => text(line, record.details),
            Operator::BytesSent => number(line, record.bytes_sent),
            Operator::BytesReceived => number(line, record.bytes_received),
            Operator::DurationMs => number(line, millis(record.duration)),
            Operator::UpstreamCluster => text(line, record.upstream_cluster.as_deref().unwrap_or("")),
            Operator::UpstreamHost => text(line, record.upstream_host.as_deref().unwrap_or("")),
            Operator::UpstreamAttempts => number(line, record.attempts.into()),
            Operator::RouteName => text(line, record.route_name.as_deref().unwrap_or("")),
            Operator::RemoteAddress { port: true } => drop(write!(line, "{}", record.remote())),
            Operator::RemoteAddress { port: false } => match record.remote().ip() {
                Some(ip) => drop(write!(line, "{ip}")),
                None => drop(write!(line, "{}", record.remote())),
            },
            Operator::LocalAddress => drop(write!(line, "{}", record.connection.local)),
            Operator::PeerUriSan => {
                if let Some(peer) = &record.connection.peer {
                    drop(write!(line, "{}", peer.spiffe_id()));
                }
            }
        }
    }
}

impl RequestHeader {
    fn write(&self, record: &Record, line: &mut Vec<u8>) {
        match self {
            RequestHeader::Method => line.extend_from_slice(record.method.as_str().as_bytes()),
            RequestHeader::Path => line.extend_from_slice(record.path.as_bytes()),
            RequestHeader::Authority => line.extend_from_slice(record.authority.as_bytes()),
            RequestHeader::OriginalPath => {
                line.extend_from_slice(record.original_path.as_deref().unwrap_or("").as_bytes());
            }
            RequestHeader::Other(name) => {
                line.extend_from_slice(
                    record.request_header(name).map(HeaderValue::as_bytes).unwrap_or_default(),
                );
            }
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
