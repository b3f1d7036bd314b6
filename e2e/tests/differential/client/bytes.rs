//! Bytes on a connection, for what no well-behaved client would send, and for what follows an upgrade.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::case::Exchange;
use crate::frames;
use crate::http1::{Wire, contains, text};

/// Silence after which nothing more is expected on an open connection.
const SILENCE: Duration = Duration::from_millis(400);

/// Longest wait for bytes that have to come.
const UNTIL_TIMEOUT: Duration = Duration::from_secs(5);

/// Does every exchange, then tells everything that was read. A head of an HTTP/1 answer is told header by header.
pub async fn exchange(exchanges: &[Exchange], mut wire: Wire, answer: &mut Answer) -> Option<Wire> {
    let mut ended: Option<String> = None;
    let mut read_from = wire.buffered().len();
    for (index, one) in exchanges.iter().enumerate() {
        match one {
            Exchange::Send(bytes) => {
                read_from = wire.buffered().len();
                if wire.stream.write_all(bytes).await.is_err() || wire.stream.flush().await.is_err() {
                    // What was answered before is still to be read.
                    answer.add(format!("exchange.{index}"), "cannot be sent");
                }
            }
            Exchange::Until(wanted) => {
                let reading = async {
                    while !contains(&wire.buffered()[read_from..], wanted) {
                        match wire.fill().await {
                            Ok(0) => return Some("closed".to_owned()),
                            Ok(_) => {}
                            Err(error) => return Some(error.kind().to_string()),
                        }
                    }
                    None
                };
                match timeout(UNTIL_TIMEOUT, reading).await {
                    Ok(None) => {}
                    Ok(Some(end)) => {
                        ended = Some(end);
                        answer.add(format!("exchange.{index}"), "ended before it came");
                        break;
                    }
                    Err(_) => answer.add(format!("exchange.{index}"), "did not come"),
                }
            }
            Exchange::Pause(time) => tokio::time::sleep(*time).await,
            Exchange::Admin { path, port } => {
                if let Err(error) = post(path, *port).await {
                    answer.add(format!("exchange.{index}"), error.to_string());
                }
            }
            Exchange::Finish => {
                let _ = wire.stream.shutdown().await;
            }
            Exchange::Drain => ended = drain(&mut wire).await,
        }
    }
    let read = std::mem::take(wire.buffered());
    let http2 = matches!(exchanges.first(), Some(Exchange::Send(bytes)) if frames::begins(bytes));
    if http2 {
        frames::tell(&read, answer)
    } else {
        tell(&read, answer)
    }
    // How a connection ends, by FIN or RST, depends on what was still unread: a matter of time.
    answer.add("closed", ended.is_some().to_string());
    ended.is_none().then_some(wire)
}

/// Asks for a page of the administrator's and reads it to its end.
async fn post(path: &str, port: u16) -> std::io::Result<()> {
    let mut admin = TcpStream::connect(("127.0.0.1", port)).await?;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    admin.write_all(head.as_bytes()).await?;
    admin.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Reads until the connection ends, or nothing comes any more.
async fn drain(wire: &mut Wire) -> Option<String> {
    loop {
        match timeout(SILENCE, wire.fill()).await {
            Err(_) => return None,
            Ok(Ok(0)) => return Some("closed".to_owned()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Some(error.kind().to_string()),
        }
    }
}

fn tell(read: &[u8], answer: &mut Answer) {
    let all = text(read);
    if !all.starts_with("HTTP/1.") {
        return answer.add("bytes", read.escape_ascii().to_string());
    }
    let (head, rest) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    answer.add("status", line.split(' ').nth(1).unwrap_or_default());
    answer.add("line", line);
    let fields = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
    answer.add_fields("header", &fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    // Further answers on the connection stand in the rest with their dates, which differ from second to second.
    let rest: Vec<&str> = rest.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    answer.add("rest", rest.join("\r\n"));
}
