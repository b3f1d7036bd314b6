//! gRPC over HTTP: which requests are calls, the time that they give, and what a status of HTTP means in gRPC.

use std::fmt::Write;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// How long a call may take.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// How a call ended, as a number.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// How a call ended, in words.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Most digits of a `grpc-timeout`.
const MAX_DIGITS: usize = 8;
/// What `DEADLINE_EXCEEDED` is called.
pub const DEADLINE_EXCEEDED: u32 = 4;

/// Whether a message with these headers belongs to a call: `application/grpc`, alone or with a `+` and a kind of content.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let rest = kind.and_then(|kind| kind.strip_prefix("application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// The time that the header gives, rounded up to milliseconds. `None` where it is not there or cannot be read.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    let millis = match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number.div_ceil(1000),
        "n" => number.div_ceil(1_000_000),
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

/// How a call ended, where these headers or trailers say so.
pub fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// The value of the header that gives this time, in the finest unit that fits.
pub fn timeout_value(limit: Duration) -> Option<HeaderValue> {
    const MOST: u128 = 10_u128.pow(MAX_DIGITS as u32) - 1;
    let millis = limit.as_millis();
    let (number, unit) = [(1, 'm'), (1000, 'S'), (60_000, 'M'), (3_600_000, 'H')]
        .into_iter()
        .map(|(size, unit)| (millis / size, unit))
        .find(|(number, _)| *number <= MOST)
        .unwrap_or((MOST, 'H'));
    HeaderValue::from_str(&format!("{number}{unit}")).ok()
}

/// What an HTTP status means to a caller, as gRPC's own table says.
pub fn status_of_http(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// What the status of a call would be in HTTP; for counting and for outlier detection.
pub fn http_of_status(status: u32) -> u16 {
    match status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// A text as it stands in `grpc-message`: everything but printable ASCII in percent, and the percent sign too.
pub fn message(text: &[u8]) -> Option<HeaderValue> {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        match *byte {
            b'%' | 0..b' ' | 0x7f.. => {
                let _ = write!(encoded, "%{byte:02X}");
            }
            byte => encoded.push(char::from(byte)),
        }
    }
    HeaderValue::from_str(&encoded).ok()
}

/// Service, with its package, and method of the path of a call; `None` where it has another form.
pub fn method_of_path(path: &str) -> Option<(&str, &str)> {
    let path = path.split('?').next().unwrap_or_default();
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!service.is_empty() && !method.is_empty() && !method.contains('/')).then_some((service, method))
}

/// Counts the messages in the body of a call: each has a byte of flags and four bytes of length before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageCounter {
    /// Bytes of the prefix that have come.
    prefix: u8,
    /// Bytes of the message that are still to come, or, in the prefix, its length so far.
    length: u32,
}

impl MessageCounter {
    /// Bytes of prefix before each message.
    const PREFIX_BYTES: u8 = 5;

    /// How many messages begin in these bytes, which follow those before.
    pub fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut messages = 0;
        while let Some((byte, rest)) = bytes.split_first() {
            if self.prefix < Self::PREFIX_BYTES {
                // As in Envoy, what has begun counts.
                messages += u64::from(self.prefix == 0);
                if self.prefix > 0 {
                    self.length = self.length << 8 | u32::from(*byte);
                }
                self.prefix += 1;
                bytes = rest;
            } else {
                let step = bytes.len().min(self.length as usize);
                // No longer than the length it is taken from.
                self.length -= step as u32;
                bytes = &bytes[step..];
            }
            if self.prefix == Self::PREFIX_BYTES && self.length == 0 {
                *self = MessageCounter::default();
            }
        }
        messages
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn calls_have_a_content_type_of_their_own() {
        let check = |kind: &str| is_grpc(&with(header::CONTENT_TYPE, kind));
        assert!(check("application/grpc") && check("application/grpc+proto"));
        assert!(!check("application/grpc-web") && !check("application/grpc;x") && !check("text/plain"));
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn timeouts_are_read_and_written() {
        let check = |text: &str| timeout(&with(GRPC_TIMEOUT, text)).map(|limit| limit.as_millis());
        assert_eq!(check("1H"), Some(3_600_000));
        assert_eq!(check("2M"), Some(120_000));
        assert_eq!(check("3S"), Some(3000));
        assert_eq!(check("4m"), Some(4));
        assert_eq!((check("1u"), check("1000001n")), (Some(1), Some(2)));
        for bad in ["", "m", "1", "1x", "-1m", "123456789m", "1 m"] {
            assert_eq!(check(bad), None, "{bad:?}");
        }
        let written = |millis| timeout_value(Duration::from_millis(millis)).unwrap();
        assert_eq!(written(250), "250m");
        assert_eq!(written(100_000_000), "100000S");
        assert_eq!(written(u64::MAX), "99999999H");
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let body = b"\0\0\0\0\x02hi\0\0\0\0\0\x01\0\0\x01\0".iter().copied().chain([7; 256]);
        let body: Vec<u8> = body.chain(*b"\0\0\0").collect();
        for size in 1..=body.len() {
            let mut counter = MessageCounter::default();
            let messages: u64 = body.chunks(size).map(|part| counter.take(part)).sum();
            assert_eq!(messages, 4, "in pieces of {size}");
        }
    }

    #[test]
    fn paths_name_a_service_and_a_method() {
        assert_eq!(method_of_path("/a.B/C?x=/y"), Some(("a.B", "C")));
        for other in ["a/b", "/a", "/a/", "//b", "/a/b/c", ""] {
            assert_eq!(method_of_path(other), None, "{other}");
        }
    }

    #[test]
    fn messages_are_printable() {
        assert_eq!(message("hi é % \n~".as_bytes()).unwrap(), "hi %C3%A9 %25 %0A~");
    }
}
