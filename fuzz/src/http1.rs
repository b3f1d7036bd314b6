//! Reads HTTP/1.1 requests as strictly as RFC 9112 allows. Whatever a lenient server could read in two ways is an error here,
//! because a request that two parties read in two ways is how requests are smuggled.

use std::io::{self, BufRead, Read};

/// Longest line that is read.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A request that was read whole, body included.
#[derive(Debug)]
pub struct Request {
    /// `method target version`.
    pub line: String,
    /// Names as sent, and values.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What is wrong with a request.
#[derive(Debug)]
pub enum Unclean {
    /// The connection ended, or broke. `true`: between two requests, as it may.
    Ended(bool),
    /// It is not what a proxy may send.
    Dirty(String),
}

impl From<io::Error> for Unclean {
    fn from(_: io::Error) -> Unclean {
        Unclean::Ended(false)
    }
}

fn dirty<T>(why: impl Into<String>) -> Result<T, Unclean> {
    Err(Unclean::Dirty(why.into()))
}

/// Reads the next request of a connection.
pub fn read_request(reader: &mut impl BufRead) -> Result<Request, Unclean> {
    let Some(line) = line(reader)? else { return Err(Unclean::Ended(true)) };
    let text = match String::from_utf8(line) {
        Ok(text) if text.bytes().all(|b| (0x21..0x7f).contains(&b) || b == b' ') => text,
        other => return dirty(format!("request line {other:?}")),
    };
    let parts: Vec<&str> = text.split(' ').collect();
    let [method, target, version] = parts[..] else { return dirty(format!("request line {text:?}")) };
    if method.is_empty() || !method.bytes().all(is_token) {
        return dirty(format!("method {method:?}"));
    }
    let origin_form = target.starts_with('/') || (method == "OPTIONS" && target == "*");
    if !origin_form || target.contains('#') {
        return dirty(format!("target {target:?}"));
    }
    if version != "HTTP/1.1" {
        return dirty(format!("version {version:?}"));
    }
    let headers = fields(reader)?;
    if values(&headers, "host").count() != 1 {
        return dirty(format!("not one host: {headers:?}"));
    }
    body(reader, &headers)?;
    Ok(Request { line: text, headers })
}

/// All values of a header.
pub fn values<'a>(headers: &'a [(String, Vec<u8>)], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
}

fn fields(reader: &mut impl BufRead) -> Result<Vec<(String, Vec<u8>)>, Unclean> {
    let mut headers = Vec::new();
    loop {
        let Some(line) = line(reader)? else { return Err(Unclean::Ended(false)) };
        if line.is_empty() {
            return Ok(headers);
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            return dirty(format!("header line {:?}", String::from_utf8_lossy(&line)));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return dirty(format!("header name {:?}", String::from_utf8_lossy(name)));
        }
        if value.iter().any(|&b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return dirty(format!("header value {:?}", String::from_utf8_lossy(value)));
        }
        headers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    }
}

fn body(reader: &mut impl BufRead, headers: &[(String, Vec<u8>)]) -> Result<(), Unclean> {
    let lengths: Vec<&[u8]> = values(headers, "content-length").collect();
    let encodings: Vec<&[u8]> = values(headers, "transfer-encoding").collect();
    match (&lengths[..], &encodings[..]) {
        ([], []) => Ok(()),
        ([length], []) => {
            if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                return dirty(format!("content-length {:?}", String::from_utf8_lossy(length)));
            }
            let Ok(Ok(length)) = std::str::from_utf8(length).map(str::parse::<u64>) else {
                return dirty("content-length is no number");
            };
            skip(reader, length)
        }
        ([], [b"chunked"]) => chunks(reader),
        _ => dirty(format!("lengths {lengths:?} and encodings {encodings:?}")),
    }
}

fn chunks(reader: &mut impl BufRead) -> Result<(), Unclean> {
    loop {
        let Some(line) = line(reader)? else { return Err(Unclean::Ended(false)) };
        let text = String::from_utf8_lossy(&line).into_owned();
        let size = match u64::from_str_radix(&text, 16) {
            Ok(size) if text.bytes().all(|b| b.is_ascii_hexdigit()) => size,
            _ => return dirty(format!("chunk size {text:?}")),
        };
        if size == 0 {
            fields(reader)?;
            return Ok(());
        }
        skip(reader, size)?;
        let mut end = [0; 2];
        reader.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return dirty(format!("chunk ends in {end:?}"));
        }
    }
}

fn skip(reader: &mut impl BufRead, bytes: u64) -> Result<(), Unclean> {
    let copied = io::copy(&mut reader.by_ref().take(bytes), &mut io::sink())?;
    if copied == bytes { Ok(()) } else { Err(Unclean::Ended(false)) }
}

/// A line that ends in CR LF, without them. `None`: the connection ended before it began.
fn line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, Unclean> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if !line.ends_with(b"\n") {
        return Err(Unclean::Ended(false));
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) if !line.iter().any(|b| matches!(b, b'\r' | 0)) => Ok(Some(line.to_vec())),
        _ => dirty(format!("line {:?}", String::from_utf8_lossy(&line))),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
