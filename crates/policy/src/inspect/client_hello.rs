//! Reads what a TLS client asks for in its ClientHello (RFC 8446 §4.1.2): the server name and the application protocols.
//! It proves nothing: the handshake itself is done elsewhere.

use super::Progress;

/// What a ClientHello asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The server name in lower case; `None`: no name was sent.
    pub server_name: Option<String>,
    /// Application protocols in the client's order. Those that are not text are left out.
    pub alpn: Vec<String>,
}

/// Why the bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientHelloError {
    /// It is larger than is looked at.
    #[error("the ClientHello is larger than {0} bytes")]
    TooLarge(usize),
    /// It is something else.
    #[error("not a ClientHello")]
    Other,
}

const RECORD_HEADER_BYTES: usize = 5;
const RECORD_HANDSHAKE: u8 = 22;
/// Largest record (RFC 8446 §5.1).
const MAX_RECORD_BYTES: usize = 1 << 14;
const MESSAGE_HEADER_BYTES: usize = 4;
const MESSAGE_CLIENT_HELLO: u8 = 1;
const RANDOM_BYTES: usize = 32;
const MAX_SESSION_ID_BYTES: usize = 32;
/// Longest server name.
const MAX_NAME_BYTES: usize = 255;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const NAME_TYPE_HOST: u8 = 0;

/// Most bytes that [`parse`] needs for a ClientHello of at most `limit` bytes, however small the records it is cut into:
/// each holds at least one byte.
pub const fn most_bytes(limit: usize) -> usize {
    limit.saturating_mul(1 + RECORD_HEADER_BYTES)
}

/// Reads a ClientHello of at most `limit` bytes, which may come in pieces and in several records.
///
/// # Errors
/// If the bytes cannot become a ClientHello of that size.
pub fn parse(bytes: &[u8], limit: usize) -> Result<Progress<ClientHello>, ClientHelloError> {
    let Some(message) = message(bytes, limit)? else { return Ok(Progress::NeedMore) };
    let hello = hello(&mut Reader(&message)).ok_or(ClientHelloError::Other)?;
    Ok(Progress::Done(hello))
}

/// The handshake message without its header, put together from its records; `None`: some of it is missing.
fn message(bytes: &[u8], limit: usize) -> Result<Option<Vec<u8>>, ClientHelloError> {
    let mut rest = bytes;
    let mut message: Vec<u8> = Vec::new();
    loop {
        let header = &rest[..rest.len().min(RECORD_HEADER_BYTES)];
        // Versions 3.0 to 3.4 stand in the record of a first flight, whatever version is meant.
        if header.iter().zip([RECORD_HANDSHAKE, 3]).any(|(byte, expected)| *byte != expected) {
            return Err(ClientHelloError::Other);
        }
        let &[_, _, _, high, low] = header else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > MAX_RECORD_BYTES {
            return Err(ClientHelloError::Other);
        }
        let body = &rest[RECORD_HEADER_BYTES..];
        message.extend_from_slice(&body[..body.len().min(length)]);
        if let Some(length) = message_length(&message, limit)?.filter(|length| message.len() >= *length) {
            message.truncate(length);
            message.drain(..MESSAGE_HEADER_BYTES);
            return Ok(Some(message));
        }
        if body.len() < length {
            return Ok(None);
        }
        rest = &body[length..];
    }
}

/// The length of the message with its header, as soon as it is known.
fn message_length(message: &[u8], limit: usize) -> Result<Option<usize>, ClientHelloError> {
    if message.first().is_some_and(|kind| *kind != MESSAGE_CLIENT_HELLO) {
        return Err(ClientHelloError::Other);
    }
    let &[_, high, middle, low, ..] = message else { return Ok(None) };
    let length = MESSAGE_HEADER_BYTES + u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > limit { Err(ClientHelloError::TooLarge(limit)) } else { Ok(Some(length)) }
}

fn hello(reader: &mut Reader<'_>) -> Option<ClientHello> {
    reader.take(2 + RANDOM_BYTES)?;
    if reader.short_list()?.len() > MAX_SESSION_ID_BYTES {
        return None;
    }
    let suites = reader.list()?;
    if suites.is_empty() || suites.len() % 2 != 0 || reader.short_list()?.is_empty() {
        return None;
    }
    let mut hello = ClientHello::default();
    if reader.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = Reader(reader.list()?);
    if !reader.0.is_empty() {
        return None;
    }
    let mut seen = [false; 2];
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let body = Reader(extensions.list()?);
        let place = match kind {
            EXTENSION_SERVER_NAME => 0,
            EXTENSION_ALPN => 1,
            _ => continue,
        };
        if std::mem::replace(&mut seen[place], true) {
            return None;
        }
        match place {
            0 => hello.server_name = Some(server_name(body)?),
            _ => hello.alpn = alpn(body)?,
        }
    }
    Some(hello)
}

/// A list that holds one name of the type `host_name` (RFC 6066 §3).
fn server_name(mut body: Reader<'_>) -> Option<String> {
    let mut names = Reader(body.list()?);
    if names.take(1)? != [NAME_TYPE_HOST] {
        return None;
    }
    let name = names.list()?;
    let is_whole = names.0.is_empty() && body.0.is_empty();
    if !is_whole || name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(&0) {
        return None;
    }
    Some(std::str::from_utf8(name).ok()?.to_ascii_lowercase())
}

fn alpn(mut body: Reader<'_>) -> Option<Vec<String>> {
    let mut names = Reader(body.list()?);
    if names.0.is_empty() || !body.0.is_empty() {
        return None;
    }
    let mut protocols = Vec::new();
    while !names.0.is_empty() {
        let name = names.short_list()?;
        if name.is_empty() {
            return None;
        }
        protocols.extend(std::str::from_utf8(name).ok().map(str::to_owned));
    }
    Some(protocols)
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Bytes behind their length in two bytes.
    fn list(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }

    /// Bytes behind their length in one byte.
    fn short_list(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests;
