//! What an upstream shall answer, as headers of the request say it. A value with commas is a list: one for each try.
//!
//! | Header | |
//! |---|---|
//! | `x-answer-status` | status, 200 if not said |
//! | `x-answer-header` | `name: value`, any number of times |
//! | `x-answer-body`, `x-answer-body-bytes` | the body; else it is the name of the upstream |
//! | `x-answer-echo` | the body is that of the request |
//! | `x-answer-chunked` | without `content-length` |
//! | `x-answer-trailer` | `name: value`, any number of times |
//! | `x-answer-delay-ms` | waits before it answers |
//! | `x-answer-body-delay-ms` | waits between the head and the body |
//! | `x-answer-informational` | `103 name: value`, any number of times, before the answer |
//! | `x-answer-early` | answers without reading the body |
//! | `x-answer-fault` | `close` or `reset` before the head, `cut` in the middle of the body, `hang` for ever |
//! | `x-answer-status-NAME`, `x-answer-fault-NAME` | the same of this upstream alone |
//! | `x-answer-raw` | bytes in place of an answer, with `\r`, `\n`, `\0`, `\xHH`; then closes (HTTP/1) |

use crate::http1::{Fields, get};

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Close,
    Reset,
    Cut,
    Hang,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Plan {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub echo: bool,
    pub chunked: bool,
    pub trailers: Fields,
    pub delay_ms: u64,
    pub body_delay_ms: u64,
    pub informational: Vec<(u16, Fields)>,
    pub early: bool,
    pub fault: Fault,
    pub raw: Option<Vec<u8>>,
}

impl Plan {
    /// Reads the headers of the try with this number, counted from 0.
    pub fn read(headers: &Fields, upstream: &str, attempt: usize) -> Plan {
        let of_upstream = |name: &str| get(headers, &format!("{name}-{upstream}"));
        let word = |name: &str| nth(of_upstream(name).or(get(headers, name))?, attempt);
        let number = |name: &str| word(name).and_then(|word| word.parse::<u64>().ok());
        let body = match number("x-answer-body-bytes") {
            Some(count) => vec![b'y'; usize::try_from(count).unwrap_or(0)],
            None => get(headers, "x-answer-body").unwrap_or(upstream).as_bytes().to_vec(),
        };
        let trailers = fields(headers, "x-answer-trailer");
        let informational =
            headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-answer-informational"));
        Plan {
            status: number("x-answer-status").and_then(|status: u64| status.try_into().ok()).unwrap_or(200),
            fields: fields(headers, "x-answer-header"),
            body,
            echo: get(headers, "x-answer-echo").is_some(),
            chunked: get(headers, "x-answer-chunked").is_some() || !trailers.is_empty(),
            trailers,
            delay_ms: number("x-answer-delay-ms").unwrap_or(0),
            body_delay_ms: number("x-answer-body-delay-ms").unwrap_or(0),
            informational: informational.map(|(_, value)| one_informational(value)).collect(),
            early: get(headers, "x-answer-early").is_some(),
            fault: match word("x-answer-fault").unwrap_or_default() {
                "close" => Fault::Close,
                "reset" => Fault::Reset,
                "cut" => Fault::Cut,
                "hang" => Fault::Hang,
                _ => Fault::None,
            },
            raw: get(headers, "x-answer-raw").map(unescape),
        }
    }
}

/// The word for this try, the last one for all later ones.
fn nth(list: &str, attempt: usize) -> Option<&str> {
    let words: Vec<&str> = list.split(',').map(str::trim).collect();
    words.get(attempt).or(words.last()).copied()
}

fn fields(headers: &Fields, name: &str) -> Fields {
    let wanted = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    wanted.map(|(_, line)| field(line)).collect()
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.trim().to_owned(), value.trim().to_owned())
}

fn one_informational(value: &str) -> (u16, Fields) {
    let (status, rest) = value.split_once(' ').unwrap_or((value, ""));
    let fields = if rest.is_empty() { Fields::new() } else { vec![field(rest)] };
    (status.parse().unwrap_or(103), fields)
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.chars());
    while let Some(c) = rest.next() {
        match (c, c == '\\') {
            (_, true) => match rest.next() {
                Some('r') => out.push(b'\r'),
                Some('n') => out.push(b'\n'),
                Some('0') => out.push(0),
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
                }
                Some(other) => out.push(other as u8),
                None => {}
            },
            (c, false) => out.push(c as u8),
        }
    }
    out
}
