//! The bytes of a connection, one request after the other: which of them may be passed on.

use memchr::memchr;

use super::body::Chunked;
use super::head::{Framing, HeadRules, Refusal, check};

/// Where on the connection the next byte stands.
#[derive(Debug)]
pub struct Scanner {
    rules: HeadRules,
    at: At,
    heads: u64,
    /// So many bytes of the head that is coming are known not to end it.
    looked: usize,
}

#[derive(Debug)]
enum At {
    Head,
    Length(u64),
    Chunked(Chunked),
    Tunnel,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many may be passed on; the rest is the beginning of a head and has to be shown again with what follows.
    Pass(usize),
    /// So many may be passed on; what follows is refused.
    Refuse(usize, Refusal),
    /// So many may be passed on; what follows breaks the body that is under way.
    Broken(usize),
}

impl Scanner {
    /// Before the first byte.
    pub fn new(rules: HeadRules) -> Scanner {
        Scanner { rules, at: At::Head, heads: 0, looked: 0 }
    }

    /// How many heads were passed on.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a head.
    pub fn is_in_head(&self) -> bool {
        matches!(self.at, At::Head)
    }

    /// Whether the bytes are those of another protocol from now on.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.at, At::Tunnel)
    }

    /// Looks at bytes that follow those that were passed on.
    pub fn take(&mut self, bytes: &[u8]) -> Verdict {
        let mut passed = 0;
        while passed < bytes.len() {
            let rest = &bytes[passed..];
            match &mut self.at {
                At::Tunnel => return Verdict::Pass(bytes.len()),
                At::Length(left) => {
                    let step = (*left).min(rest.len() as u64);
                    *left -= step;
                    passed += step as usize;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                }
                At::Chunked(chunked) => match chunked.take(rest) {
                    Ok((taken, ended)) => {
                        passed += taken;
                        if ended {
                            self.at = At::Head;
                        }
                    }
                    Err(_) => return Verdict::Broken(passed),
                },
                At::Head => match self.head(rest) {
                    Ok(Some(taken)) => passed += taken,
                    Ok(None) => return Verdict::Pass(passed),
                    Err(refusal) => return Verdict::Refuse(passed, refusal),
                },
            }
        }
        Verdict::Pass(passed)
    }

    /// How many bytes a whole head has, with the empty lines before it; `None`: it is not whole.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let blank = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        if blank == bytes.len() {
            // Empty lines alone lead nowhere.
            return if blank > MAX_BLANK_BYTES { Err(Refusal::BadRequest) } else { Ok(None) };
        }
        let Some(end) = end(bytes, blank.max(self.looked)).map(|end| end - blank) else {
            // The end may begin in the last bytes of what has come.
            self.looked = bytes.len().saturating_sub(3);
            let bad = !looks_like_http(&bytes[blank..]);
            let large = bytes.len() - blank > self.rules.max_bytes;
            return match (bad, large) {
                (true, _) => Err(Refusal::BadRequest),
                (_, true) => Err(Refusal::TooLarge),
                _ => Ok(None),
            };
        };
        if end > self.rules.max_bytes {
            return Err(Refusal::TooLarge);
        }
        self.at = match check(&bytes[blank..blank + end], self.rules)? {
            Framing::Length(0) => At::Head,
            Framing::Length(length) => At::Length(length),
            Framing::Chunked => At::Chunked(Chunked::begin()),
            Framing::Tunnel => At::Tunnel,
        };
        (self.heads, self.looked) = (self.heads + 1, 0);
        Ok(Some(blank + end))
    }
}

/// Most empty lines before a head, in bytes.
const MAX_BLANK_BYTES: usize = 64;

/// What is no HTTP is refused at once and not when its head ends: that may never happen.
fn looks_like_http(begin: &[u8]) -> bool {
    begin
        .iter()
        .take(8)
        .take_while(|byte| **byte != b' ')
        .all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
}

/// Where the empty line behind a head ends, which does not begin before `at`.
fn end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'\n', &bytes[at..])? + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            Some([_, ..]) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: HeadRules =
        HeadRules { max_bytes: 100, max_fields: 9, accept_http_10: false, allow_chunked_length: false };

    #[test]
    fn messages_follow_one_another_however_they_are_cut() {
        let all = b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nGET \
            POST / HTTP/1.1\ntransfer-encoding: chunked\n\n3\r\nGET\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        for size in 1..all.len() {
            let mut scanner = Scanner::new(RULES);
            let (mut held, mut passed) = (Vec::new(), Vec::new());
            for part in all.chunks(size) {
                held.extend_from_slice(part);
                let Verdict::Pass(n) = scanner.take(&held) else { panic!("in pieces of {size}") };
                passed.extend(held.drain(..n));
            }
            assert_eq!(passed, all, "in pieces of {size}");
            assert_eq!(scanner.heads(), 4);
            assert!(scanner.is_in_head());
        }
    }

    #[test]
    fn what_is_bad_stops_there() {
        let check = |bytes: &str, verdict| {
            assert_eq!(Scanner::new(RULES).take(bytes.as_bytes()), verdict, "{bytes}");
        };
        let good = "GET / HTTP/1.1\r\n\r\n";
        check(&format!("{good}GET / HTTP/1.1\r\nx y\r\n\r\n"), Verdict::Refuse(18, Refusal::BadRequest));
        check(&format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(100)), Verdict::Refuse(0, Refusal::TooLarge));
        check(
            &format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(90)),
            Verdict::Refuse(0, Refusal::TooLarge),
        );
        check("\x16\x03\x01", Verdict::Refuse(0, Refusal::BadRequest));
        check(&"\r\n".repeat(50), Verdict::Refuse(0, Refusal::BadRequest));
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd", Verdict::Broken(47));
        check("GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nx y\r\n\r\n", Verdict::Pass(58));
    }
}
