//! HTTP/2 frame by frame, for what no library would send: written as a case says it, and told as far as two proxies can be
//! compared by it.

use ripstop_yaml::Reader;

use crate::answer::Answer;
use crate::case::latin1;

/// How a connection begins: the preface and empty SETTINGS.
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const KINDS: [(&str, u8); 10] = [
    ("data", 0),
    ("headers", 1),
    ("priority", 2),
    ("rst_stream", 3),
    ("settings", 4),
    ("push_promise", 5),
    ("ping", 6),
    ("goaway", 7),
    ("window_update", 8),
    ("continuation", 9),
];

/// Streams of which every frame is told; of more only the whole.
const TOLD_STREAMS: usize = 3;

/// Whether bytes that were sent begin a connection of HTTP/2.
pub fn begins(sent: &[u8]) -> bool {
    sent.starts_with(&BEGINNING[..24])
}

/// Reads `frames`: a list of frames that is sent `repeat` times, `step` added to their streams each time. `begin: true`
/// sends the preface before them.
pub fn read(reader: &Reader) -> Vec<u8> {
    let mut out = Vec::new();
    if reader.bool("begin").unwrap_or(false) {
        out.extend_from_slice(BEGINNING);
    }
    let (repeat, step) = (reader.u32("repeat").unwrap_or(1), reader.u32("step").unwrap_or(0));
    let frames: Vec<Frame> = reader.maps("frames").into_iter().filter_map(frame).collect();
    for round in 0..repeat {
        for frame in &frames {
            let stream = if frame.stream == 0 { 0 } else { frame.stream + round * step };
            out.extend_from_slice(&(frame.payload.len() as u32).to_be_bytes()[1..]);
            out.extend_from_slice(&[frame.kind, frame.flags]);
            out.extend_from_slice(&stream.to_be_bytes());
            out.extend_from_slice(&frame.payload);
        }
    }
    out
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A frame: `type`, `stream`, `flags`, and its payload as `fields` (names and values, `:` of pseudo-headers included),
/// `text`, `number` (four bytes), or `hex`.
fn frame(reader: Reader) -> Option<Frame> {
    let kind = reader.required_str("type")?;
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let Some((_, kind)) = known else {
        reader.error_here("no such type of frame");
        return None;
    };
    let mut payload = Vec::new();
    for line in reader.strings("fields") {
        let at = line[1..].find(": ").map_or(line.len(), |at| at + 1);
        payload.push(0);
        put(&line.as_bytes()[..at], &mut payload);
        put(&latin1(line.get(at + 2..).unwrap_or_default()), &mut payload);
    }
    if let Some(number) = reader.u32("number") {
        payload.extend_from_slice(&number.to_be_bytes());
    }
    payload.extend(latin1(&reader.str("text").unwrap_or_default()));
    let digits: Vec<u8> =
        reader.str("hex").unwrap_or_default().bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    payload.extend(digits.chunks(2).filter_map(byte));
    let flags = reader.u32("flags").and_then(|flags| flags.try_into().ok()).unwrap_or(0);
    let stream = reader.u32("stream").unwrap_or(0);
    reader.finish();
    Some(Frame { kind: *kind, flags, stream, payload })
}

/// A string of HPACK without Huffman's code (RFC 7541 §5.2).
fn put(text: &[u8], out: &mut Vec<u8>) {
    let mut length = text.len();
    if length < 127 {
        out.push(length as u8);
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push((length % 128 + 128) as u8);
            length /= 128;
        }
        out.push(length as u8);
    }
    out.extend_from_slice(text);
}

/// What became of a stream.
#[derive(Default)]
struct Told {
    frames: Vec<String>,
    body_bytes: usize,
    ended: bool,
}

impl Told {
    fn add(&mut self, kind: u8, length: usize, told: &str, end: &str) {
        if kind == 0 {
            self.body_bytes += length;
        } else {
            self.frames.push(told.to_owned());
        }
        self.ended |= !end.is_empty();
    }

    fn words(&self) -> String {
        let end = if self.ended { ", END" } else { "" };
        format!("{}, {} bytes{end}", self.frames.join(", "), self.body_bytes)
    }
}

/// Tells what came: how the connection was given up, and of few streams what became of each. Settings, windows and answers
/// to pings are every proxy's own business.
pub fn tell(mut read: &[u8], answer: &mut Answer) {
    let mut goaway = "none".to_owned();
    let mut streams: Vec<(u32, Told)> = Vec::new();
    while read.len() >= 9 {
        let length = u32::from_be_bytes([0, read[0], read[1], read[2]]) as usize;
        let (kind, flags) = (read[3], read[4]);
        let stream = u32::from_be_bytes([read[5], read[6], read[7], read[8]]) & 0x7fff_ffff;
        let payload = read.get(9..9 + length).unwrap_or_default();
        read = read.get(9 + length..).unwrap_or_default();
        let code = |at: usize| payload.get(at..at + 4).map_or(0, |code| u32::from(code[3]));
        let mut end = if flags & 1 == 1 { " END" } else { "" };
        let told = match kind {
            0 => String::new(),
            1 => "HEADERS".to_owned(),
            3 => {
                end = "";
                format!("RST_STREAM {}", code(0))
            }
            7 => {
                goaway = code(4).to_string();
                continue;
            }
            _ => continue,
        };
        // How a body is cut into frames means nothing.
        match streams.iter_mut().find(|(other, _)| *other == stream) {
            Some((_, told_before)) => told_before.add(kind, length, &told, end),
            None => {
                let mut first = Told::default();
                first.add(kind, length, &told, end);
                streams.push((stream, first));
            }
        }
    }
    answer.add("goaway", goaway);
    if streams.len() <= TOLD_STREAMS {
        streams.sort_by_key(|(stream, _)| *stream);
        for (stream, told) in streams {
            answer.add(format!("stream.{stream}"), told.words());
        }
    }
}
