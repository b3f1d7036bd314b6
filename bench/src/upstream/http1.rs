//! HTTP/1: `/small`, `/middle`, `/large`, bodies to throw away, and upgrades to a tunnel that says everything back.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LARGE_BODY, MIDDLE_BODY, SMALL_BODY};
use crate::Outcome;
use crate::bulk::{Sink, Source};

/// Room for the head of a request.
const BUFFER_BYTES: usize = 8 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;

/// What a head asks for.
struct Asked {
    head_bytes: usize,
    body_bytes: u64,
    what: What,
}

enum What {
    Small,
    Middle,
    Large,
    Tunnel,
}

/// Serves one connection.
pub async fn serve(mut stream: TcpStream, source: Rc<Source>) -> Outcome<()> {
    let (small, middle) = (answer(SMALL_BODY), answer(MIDDLE_BODY));
    let large = head(LARGE_BODY);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let Some(asked) = parse(&buffer[..filled])? else {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let here = (filled - asked.head_bytes).min(usize::try_from(asked.body_bytes)?);
        buffer.copy_within(asked.head_bytes + here..filled, 0);
        filled -= asked.head_bytes + here;
        if asked.body_bytes > here as u64 {
            Sink::new().take_all(&stream, asked.body_bytes - here as u64).await?;
        }
        match asked.what {
            What::Small => stream.write_all(&small).await?,
            What::Middle => stream.write_all(&middle).await?,
            What::Large => {
                stream.write_all(&large).await?;
                source.send(&stream, LARGE_BODY).await?;
            }
            What::Tunnel => return echo(stream, &buffer[..filled]).await,
        }
    }
}

fn head(body_bytes: u64) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {body_bytes}\r\n\r\n")
        .into_bytes()
}

fn answer(body_bytes: usize) -> Vec<u8> {
    let mut answer = head(body_bytes as u64);
    answer.resize(answer.len() + body_bytes, b'x');
    answer
}

fn parse(bytes: &[u8]) -> Outcome<Option<Asked>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = request.parse(bytes)? else {
        return if bytes.len() < BUFFER_BYTES { Ok(None) } else { Err("the head is too long".into()) };
    };
    let value = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let body_bytes = value("content-length").map_or(Ok(0), str::parse)?;
    let what = match request.path.unwrap_or_default() {
        "/middle" => What::Middle,
        "/large" => What::Large,
        _ if value("upgrade").is_some() => What::Tunnel,
        _ => What::Small,
    };
    Ok(Some(Asked { head_bytes, body_bytes, what }))
}

/// Says everything back. The value of `sec-websocket-accept` is that of the key which the load sends.
async fn echo(mut stream: TcpStream, first: &[u8]) -> Outcome<()> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(first).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read]).await?,
        }
    }
}
