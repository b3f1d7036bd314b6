//! The head of a request: whether it may be passed on, and how its body ends.

use memchr::memchr;

use super::body::is_all_field_text;
use crate::flags::ResponseFlag;

/// What a connection manager allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRules {
    /// Most bytes of a head.
    pub max_bytes: usize,
    /// Most header fields.
    pub max_fields: usize,
    /// HTTP/1.0 is spoken.
    pub accept_http_10: bool,
    /// A length beside a transfer coding is ignored.
    pub allow_chunked_length: bool,
}

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, or one of so many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// What follows may be another protocol.
    Tunnel,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is no HTTP, or none that all read in the same way.
    BadRequest,
    /// The target is none that goes with the method.
    BadUrl,
    /// The target begins with a scheme that is not spoken.
    BadScheme,
    /// A control character stands where none may.
    BadCharacter,
    /// `connection` names what a client may not take away, or too much.
    BadConnection,
    /// A length stands beside a transfer coding.
    LengthAndCoding,
    /// The target has a fragment.
    Fragment,
    /// Nothing says which host is meant.
    NoHost,
    /// Its head took too long.
    HeadTimeout,
    /// Nothing moved for too long.
    IdleTimeout,
    /// It took too long to come.
    RequestTimeout,
    /// The version is not spoken.
    Version,
    /// The head is too large.
    TooLarge,
    /// The head has too many fields.
    TooMany,
    /// The transfer coding is not known.
    Coding,
}

impl Refusal {
    /// Status and body of the answer.
    pub fn answer(self) -> (u16, &'static str) {
        match self {
            Refusal::BadRequest
            | Refusal::BadUrl
            | Refusal::BadScheme
            | Refusal::BadCharacter
            | Refusal::BadConnection
            | Refusal::LengthAndCoding => (400, "Bad Request"),
            Refusal::Fragment | Refusal::NoHost => (400, ""),
            Refusal::HeadTimeout => (408, "request header timeout"),
            Refusal::IdleTimeout => (408, "stream timeout"),
            Refusal::RequestTimeout => (408, "request timeout"),
            Refusal::Version => (426, "Upgrade Required"),
            Refusal::TooLarge | Refusal::TooMany => (431, "Request Header Fields Too Large"),
            Refusal::Coding => (501, "Not Implemented"),
        }
    }

    /// The words of `%RESPONSE_CODE_DETAILS%`, which are Envoy's.
    pub fn details(self) -> &'static str {
        match self {
            Refusal::BadRequest => "http1.codec_error",
            Refusal::BadUrl => "http1.invalid_url",
            Refusal::BadScheme => "http1.invalid_scheme",
            Refusal::BadCharacter => "http1.invalid_characters",
            Refusal::BadConnection => "http1.connection_header_rejected",
            Refusal::LengthAndCoding => "http1.content_length_and_chunked_not_allowed",
            Refusal::Fragment => "path_normalization_failed",
            Refusal::NoHost => "missing_host_header",
            Refusal::HeadTimeout => "request_header_timeout",
            Refusal::IdleTimeout => "stream_idle_timeout",
            Refusal::RequestTimeout => "request_overall_timeout",
            Refusal::Version => "low_version",
            Refusal::TooLarge => "http1.headers_too_large",
            Refusal::TooMany => "http1.too_many_headers",
            Refusal::Coding => "http1.invalid_transfer_encoding",
        }
    }

    /// What an access log shows of it.
    pub fn flag(self) -> Option<ResponseFlag> {
        match self {
            Refusal::IdleTimeout => Some(ResponseFlag::StreamIdleTimeout),
            Refusal::Fragment | Refusal::NoHost | Refusal::HeadTimeout | Refusal::RequestTimeout => None,
            _ => Some(ResponseFlag::DownstreamProtocolError),
        }
    }

    /// Whether it was read as HTTP, so that method and target mean something.
    pub fn is_readable(self) -> bool {
        matches!(self, Refusal::Fragment | Refusal::NoHost)
    }
}

/// The methods that Envoy's parser knows.
const METHODS: [&[u8]; 34] = [
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"HEAD",
    b"PATCH",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"COPY",
    b"LOCK",
    b"MKCOL",
    b"MOVE",
    b"PROPFIND",
    b"PROPPATCH",
    b"SEARCH",
    b"UNLOCK",
    b"BIND",
    b"REBIND",
    b"UNBIND",
    b"ACL",
    b"REPORT",
    b"MKACTIVITY",
    b"CHECKOUT",
    b"MERGE",
    b"M-SEARCH",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"PURGE",
    b"MKCALENDAR",
    b"LINK",
    b"UNLINK",
    b"SOURCE",
];

/// Most headers that `connection` may name, as with Envoy.
const MAX_NOMINATED: usize = 10;

/// Looks at a whole head, with the empty line at its end and without empty lines before it.
pub fn check(head: &[u8], rules: HeadRules) -> Result<Framing, Refusal> {
    let (line, mut rest) = cut_line(head);
    let connect = request_line(line, rules)?;
    let mut seen = Seen::default();
    loop {
        let (line, behind) = cut_line(rest);
        if line.is_empty() {
            return seen.framing(connect, rules);
        }
        rest = behind;
        seen.fields += 1;
        if seen.fields > rules.max_fields {
            return Err(Refusal::TooMany);
        }
        seen.field(line)?;
    }
}

/// The first line, without its end, and what is behind it.
fn cut_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr(b'\n', bytes) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Whether it is a CONNECT.
fn request_line(line: &[u8], rules: HeadRules) -> Result<bool, Refusal> {
    // Behind the second space is the version, with whatever does not belong there.
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if !METHODS.contains(&method) || target.is_empty() {
        return Err(Refusal::BadRequest);
    }
    match parts.next() {
        Some(b"HTTP/1.1") => {}
        Some(b"HTTP/1.0") if rules.accept_http_10 => {}
        None => return Err(Refusal::Version),
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Refusal::Version);
        }
        _ => return Err(Refusal::BadRequest),
    }
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::BadCharacter);
    }
    let connect = method == b"CONNECT";
    let absolute = || {
        [&b"http://"[..], b"https://"].iter().any(|scheme| {
            target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
                && target.len() > scheme.len()
        })
    };
    let fits = match target {
        _ if connect => is_host_and_port(target),
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ => absolute(),
    };
    let other_scheme = || !connect && target.windows(3).any(|part| part == b"://");
    match fits {
        false if other_scheme() => Err(Refusal::BadScheme),
        false => Err(Refusal::BadUrl),
        true if memchr(b'#', target).is_some() => Err(Refusal::Fragment),
        true => Ok(connect),
    }
}

fn is_host_and_port(target: &[u8]) -> bool {
    let colon = target.iter().rposition(|byte| *byte == b':');
    colon.is_some_and(|colon| {
        let (host, port) = (&target[..colon], &target[colon + 1..]);
        !host.is_empty()
            && !host.iter().any(|byte| b"/?#@".contains(byte))
            && !port.is_empty()
            && port.iter().all(u8::is_ascii_digit)
    })
}

/// What the fields seen so far say.
#[derive(Default)]
struct Seen {
    fields: usize,
    nominated: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    connection_upgrade: bool,
}

impl Seen {
    fn field(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let (name, value) = split(line).ok_or_else(|| what_is_wrong(line))?;
        // The names that count, told apart by their length first.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if self.hosts > 1 {
                    return Err(Refusal::BadRequest);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = !value.eq_ignore_ascii_case(b"h2c");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection(value)?,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                if self.length.is_some() || !digits || length.is_none() {
                    return Err(Refusal::BadRequest);
                }
                self.length = length;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::Coding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody may have taken away what we say of a request, or what it stands on.
    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let begins = |with: &[u8]| token.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with));
            self.nominated += 1;
            if begins(b":") || begins(b"x-forwarded-") || self.nominated > MAX_NOMINATED {
                return Err(Refusal::BadConnection);
            }
            if token.eq_ignore_ascii_case(b"host") {
                return Err(Refusal::NoHost);
            }
            self.connection_upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    fn framing(&self, connect: bool, rules: HeadRules) -> Result<Framing, Refusal> {
        if self.chunked && self.length.is_some() && !rules.allow_chunked_length {
            return Err(Refusal::LengthAndCoding);
        }
        if connect || self.upgrade && self.connection_upgrade {
            return Ok(Framing::Tunnel);
        }
        Ok(match self.chunked {
            true => Framing::Chunked,
            false => Framing::Length(self.length.unwrap_or(0)),
        })
    }
}

/// Whether only the value of a line is bad.
fn what_is_wrong(line: &[u8]) -> Refusal {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    let name = &line[..colon];
    let token = !name.is_empty() && name.iter().all(|byte| TOKEN[usize::from(*byte)]);
    if token && !line.contains(&b'\r') { Refusal::BadCharacter } else { Refusal::BadRequest }
}

/// Method, target and host of a head that could be read, as far as they are there and text.
pub fn described(head: &[u8]) -> [Option<&str>; 3] {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let mut parts = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let (method, target) = (parts.next().and_then(text), parts.next().and_then(text));
    let host = lines.filter_map(split).find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    [method, target, host.and_then(|(_, host)| text(host))]
}

/// Name and value of a header line, if it is one. Lines that go on in the next one are none.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // A colon is no part of a name.
    let end = line.iter().position(|byte| !TOKEN[usize::from(*byte)])?;
    let (name, value) = (&line[..end], line[end..].strip_prefix(b":")?);
    (end > 0 && is_all_field_text(value)).then(|| (name, value.trim_ascii()))
}

/// `tchar` of RFC 9110 §5.6.2.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        // Below 256.
        let char = byte as u8;
        table[byte] = char.is_ascii_alphanumeric()
            || matches!(
                char,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use Refusal::{
        BadCharacter, BadConnection, BadRequest, BadScheme, BadUrl, Coding, Fragment, LengthAndCoding,
        NoHost, TooMany, Version,
    };

    const RULES: HeadRules =
        HeadRules { max_bytes: 1000, max_fields: 5, accept_http_10: false, allow_chunked_length: false };

    fn check(head: &str, expected: Result<Framing, Refusal>) {
        assert_eq!(super::check(format!("{head}\r\n").as_bytes(), RULES), expected, "{head:?}");
    }

    #[test]
    fn request_lines_have_one_form() {
        for (line, expected) in [
            ("GET / HTTP/1.1", Ok(Framing::Length(0))),
            ("OPTIONS * HTTP/1.1", Ok(Framing::Length(0))),
            ("GET http://b/x?y HTTP/1.1", Ok(Framing::Length(0))),
            ("CONNECT a:1 HTTP/1.1", Ok(Framing::Tunnel)),
            ("GET /a|\"<>{}^`\\ HTTP/1.1", Ok(Framing::Length(0))),
            ("GET /a#b HTTP/1.1", Err(Fragment)),
            ("GET / HTTP/1.0", Err(Version)),
            ("GET / HTTP/2.0", Err(Version)),
            ("GET /", Err(Version)),
            ("GET / HTTP/3", Err(BadRequest)),
            ("GET / http/1.1", Err(BadRequest)),
            ("GET  / HTTP/1.1", Err(BadRequest)),
            ("GET / HTTP/1.1 ", Err(BadRequest)),
            ("GET\t/ HTTP/1.1", Err(BadRequest)),
            (" GET / HTTP/1.1", Err(BadRequest)),
            ("GET * HTTP/1.1", Err(BadUrl)),
            ("GET a HTTP/1.1", Err(BadUrl)),
            ("GET ftp://b/ HTTP/1.1", Err(BadScheme)),
            ("GET http:// HTTP/1.1", Err(BadScheme)),
            ("CONNECT /x HTTP/1.1", Err(BadUrl)),
            ("CONNECT a HTTP/1.1", Err(BadUrl)),
            ("get / HTTP/1.1", Err(BadRequest)),
            ("FOO / HTTP/1.1", Err(BadRequest)),
            ("GET /a\x01 HTTP/1.1", Err(BadCharacter)),
            ("GET /a\x7f HTTP/1.1", Err(BadCharacter)),
            ("GET /é HTTP/1.1", Err(BadCharacter)),
        ] {
            check(&format!("{line}\r\nhost: a\r\n"), expected);
        }
    }

    #[test]
    fn what_could_be_read_is_described() {
        let head = b"GET /a#b HTTP/1.1\r\nx: y\r\nHost: h:1\r\n\r\n";
        assert_eq!(described(head), [Some("GET"), Some("/a#b"), Some("h:1")]);
        assert_eq!(described(b"\xff"), [None, None, None]);
    }

    #[test]
    fn fields_are_names_and_values() {
        for (field, expected) in [
            ("x: a\tb é", Ok(Framing::Length(0))),
            ("x:", Ok(Framing::Length(0))),
            ("x : a", Err(BadRequest)),
            (" x: a", Err(BadRequest)),
            ("x", Err(BadRequest)),
            (": a", Err(BadRequest)),
            ("x(y: a", Err(BadRequest)),
            ("x@: a", Err(BadRequest)),
            ("é: a", Err(BadRequest)),
            ("x: a\rb", Err(BadRequest)),
            ("x: a\0b", Err(BadCharacter)),
            ("x: a\x01b", Err(BadCharacter)),
            ("x: a\x7fb", Err(BadCharacter)),
            ("x: a\r\n b", Err(BadRequest)),
            ("x: a\r\n\tb: c", Err(BadRequest)),
            ("host: b", Err(BadRequest)),
            ("connection: close, x-a", Ok(Framing::Length(0))),
            ("connection: x-forwarded-for", Err(BadConnection)),
            ("connection: close, :path", Err(BadConnection)),
            ("connection: Host", Err(NoHost)),
            ("connection: a,b,c,d,e,f,g,h,i,j,k", Err(BadConnection)),
            ("a: 1\r\nb: 2\r\nc: 3\r\nd: 4", Ok(Framing::Length(0))),
            ("a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5", Err(TooMany)),
        ] {
            check(&format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n"), expected);
        }
    }

    #[test]
    fn a_body_ends_in_one_way() {
        for (fields, expected) in [
            ("content-length: 3", Ok(Framing::Length(3))),
            ("content-length: 0003 ", Ok(Framing::Length(3))),
            ("content-length: 3\r\ncontent-length: 3", Err(BadRequest)),
            ("content-length: 3, 3", Err(BadRequest)),
            ("content-length: +3", Err(BadRequest)),
            ("content-length: -3", Err(BadRequest)),
            ("content-length: 0x3", Err(BadRequest)),
            ("content-length:", Err(BadRequest)),
            ("content-length: 99999999999999999999", Err(BadRequest)),
            ("transfer-encoding: chunked", Ok(Framing::Chunked)),
            ("Transfer-Encoding:\tCHUNKED\t", Ok(Framing::Chunked)),
            ("transfer-encoding: identity", Err(Coding)),
            ("transfer-encoding: chunked, identity", Err(Coding)),
            ("transfer-encoding: gzip, chunked", Err(Coding)),
            ("transfer-encoding: xchunked", Err(Coding)),
            ("transfer-encoding: \"chunked\"", Err(Coding)),
            ("transfer-encoding:", Err(Coding)),
            ("transfer-encoding: \x0bchunked", Err(BadCharacter)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", Err(Coding)),
            ("transfer-encoding: chunked\r\ncontent-length: 3", Err(LengthAndCoding)),
            ("content-length: 3\r\ntransfer-encoding: chunked", Err(LengthAndCoding)),
            ("connection: upgrade\r\nupgrade: websocket", Ok(Framing::Tunnel)),
            ("connection: upgrade\r\nupgrade: h2c", Ok(Framing::Length(0))),
            ("upgrade: websocket", Ok(Framing::Length(0))),
        ] {
            check(&format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"), expected);
        }
        let both = b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n";
        let lax = HeadRules { allow_chunked_length: true, ..RULES };
        assert_eq!(super::check(both, lax), Ok(Framing::Chunked));
        let old = HeadRules { accept_http_10: true, ..RULES };
        assert_eq!(super::check(b"GET / HTTP/1.0\n\n", old), Ok(Framing::Length(0)));
    }
}
