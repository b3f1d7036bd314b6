//! HTTP/1 as it stands on the wire: heads with the order and case of their headers, bodies in every framing. Written
//! for this comparison: a library would put in order what is to be seen.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Any stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Headers or trailers.
pub type Fields = Vec<(String, String)>;

/// A stream and what was read from it too early.
pub struct Wire {
    pub stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// The first line and the headers of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub line: String,
    pub fields: Fields,
}

impl Head {
    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        get(&self.fields, name)
    }

    fn says(&self, name: &str, word: &str) -> bool {
        let values = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.flat_map(|(_, value)| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the connection ends after this message.
    pub fn closes(&self) -> bool {
        self.says("connection", "close")
            || (self.line.contains("HTTP/1.0") && !self.says("connection", "keep-alive"))
    }

    /// Whether the body is chunked.
    pub fn is_chunked(&self) -> bool {
        self.says("transfer-encoding", "chunked")
    }

    /// Status of a response.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// The value of the first of `fields` that has this name.
pub fn get<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// What a body was.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub trailers: Fields,
    /// Why it ended too early, if it did.
    pub cut: Option<String>,
}

impl Wire {
    /// Reads from `stream`.
    pub fn new(stream: Box<dyn Stream>) -> Wire {
        Wire { stream, buffer: Vec::new() }
    }

    /// Reads more. Gives the number of bytes, 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = vec![0; 16 * 1024];
        let count = self.stream.read(&mut chunk).await?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// What was read and not used.
    pub fn buffered(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next head; `None` at the end of the stream.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let rest = self.buffer.split_off(at + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return Ok(Some(parse(&head[..at])));
            }
            if self.fill().await? == 0 {
                let left = std::mem::take(&mut self.buffer);
                if left.is_empty() {
                    return Ok(None);
                }
                let left = format!("unfinished head: {}", left.escape_ascii());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, left));
            }
        }
    }

    /// The body of a response to `method`.
    pub async fn response_body(&mut self, method: &str, head: &Head) -> Body {
        let status = head.status();
        if method == "HEAD" || status == 204 || status == 304 || (100..200).contains(&status) {
            return Body::default();
        }
        if head.is_chunked() || head.get("content-length").is_some() {
            return self.body(head).await;
        }
        let mut body = Body::default();
        loop {
            body.bytes.append(&mut self.buffer);
            match self.fill().await {
                Ok(0) => return body,
                Ok(_) => {}
                Err(error) => {
                    body.cut = Some(error.kind().to_string());
                    return body;
                }
            }
        }
    }

    /// The body of a message that says how long it is; without a word on it there is none.
    pub async fn body(&mut self, head: &Head) -> Body {
        let mut body = Body::default();
        let result = if head.is_chunked() {
            self.chunks(&mut body).await
        } else {
            let length =
                head.get("content-length").and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            self.exactly(length, &mut body.bytes).await
        };
        body.cut = result.err().map(|error| error.kind().to_string());
        body
    }

    async fn exactly(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let mut left = length;
        loop {
            let take = left.min(self.buffer.len());
            into.extend(self.buffer.drain(..take));
            left -= take;
            if left == 0 {
                return Ok(());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(text(&line[..at]));
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn chunks(&mut self, body: &mut Body) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            self.exactly(size, &mut body.bytes).await?;
            self.line().await?;
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(());
            }
            body.trailers.push(field(&line));
        }
    }
}

/// Bytes as text, each byte above 0x7f as the character of that number.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn parse(head: &[u8]) -> Head {
    let head = text(head);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    Head { line, fields: lines.map(field).collect() }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Whether `haystack` has `needle` in it.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    find(haystack, needle).is_some()
}

/// Writes a head.
pub fn write_head(line: &str, fields: &Fields) -> Vec<u8> {
    let mut out = format!("{line}\r\n");
    for (name, value) in fields {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    crate::case::latin1(&out)
}

/// Writes a chunked body in two chunks, so that a place between them exists.
pub fn write_chunked(body: &[u8], trailers: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    let (first, second) = body.split_at(body.len() / 2);
    for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
        out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}
