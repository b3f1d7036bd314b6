//! Tells which HTTP is spoken in plaintext by the first line.

use super::Progress;

/// How every HTTP/2 connection begins (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest request line that is looked at.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// `http/1.0`
    Http10,
    /// `http/1.1`
    Http11,
    /// `h2c`: HTTP/2 with prior knowledge.
    Http2,
    /// Something else.
    Other,
}

impl Spoken {
    /// The name that a filter chain matches, where there is one.
    pub fn application_protocol(self) -> Option<&'static str> {
        match self {
            Spoken::Http10 => Some("http/1.0"),
            Spoken::Http11 => Some("http/1.1"),
            Spoken::Http2 => Some("h2c"),
            Spoken::Other => None,
        }
    }
}

/// What the first bytes of a connection are.
pub fn parse(bytes: &[u8]) -> Progress<Spoken> {
    if bytes.starts_with(HTTP2_PREFACE) {
        return Progress::Done(Spoken::Http2);
    }
    if HTTP2_PREFACE.starts_with(bytes) {
        return Progress::NeedMore;
    }
    match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) => Progress::Done(request_line(&bytes[..end]).unwrap_or(Spoken::Other)),
        None if bytes.len() >= MAX_LINE_BYTES || !may_become_request(bytes) => Progress::Done(Spoken::Other),
        None => Progress::NeedMore,
    }
}

/// `METHOD TARGET HTTP/1.x`
fn request_line(line: &[u8]) -> Option<Spoken> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let well_formed = words.next().is_none() && is_token(method) && !target.is_empty();
    match version.strip_prefix(b"HTTP/1.")? {
        b"0" if well_formed => Some(Spoken::Http10),
        [digit] if well_formed && digit.is_ascii_digit() => Some(Spoken::Http11),
        _ => None,
    }
}

fn may_become_request(bytes: &[u8]) -> bool {
    is_token(bytes.split(|byte| *byte == b' ').next().unwrap_or_default())
}

/// Characters of a method (RFC 9110 §5.6.2).
fn is_token(word: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !word.is_empty() && word.iter().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], spoken: Option<Spoken>) {
        let expected = spoken.map_or(Progress::NeedMore, Progress::Done);
        assert_eq!(parse(bytes), expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn the_first_line_tells() {
        check(b"", None);
        check(b"GET / HTTP/1.", None);
        check(b"GET / HTTP/1.1\r", Some(Spoken::Http11));
        check(b"GET / HTTP/1.1\nhost", Some(Spoken::Http11));
        check(b"GET / HTTP/1.0\r\n", Some(Spoken::Http10));
        check(b"PROPFIND /a%20b HTTP/1.1\r\n", Some(Spoken::Http11));
        check(b"GET  / HTTP/1.1\r\n", Some(Spoken::Other));
        check(b"GET / HTTP/2.0\r\n", Some(Spoken::Other));
        check(b"GET /\r\n", Some(Spoken::Other));
        check(b"\r\n", Some(Spoken::Other));
        check(b"\x16\x03\x01", Some(Spoken::Other));
        check(HTTP2_PREFACE, Some(Spoken::Http2));
        check(&HTTP2_PREFACE[..23], None);
        check(b"PRI * HTTP/2.0\r\n\r\nXX", Some(Spoken::Other));
        check(&[b'a'; MAX_LINE_BYTES], Some(Spoken::Other));
    }
}
