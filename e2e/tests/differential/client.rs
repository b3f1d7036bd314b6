//! The client: sends a request or bytes over a connection that can be seen, and tells what came back.

mod bytes;
mod http2;

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::case::{Action, Protocol, Request, Step};
use crate::http1::{Stream, Wire, get, write_chunked, write_head};
use crate::tls;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may stay open after an answer that said it would be closed.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Where to connect.
pub enum Target {
    Port(u16),
    Unix(std::path::PathBuf),
}

/// A connection that a later step may use.
pub enum Connection {
    Http1(Wire),
    Http2(h2::client::SendRequest<::bytes::Bytes>),
}

/// Does what a step says. Gives the answer and the connection if it is still good.
pub async fn ask(
    step: &Step,
    action: &Action,
    target: &Target,
    certificates: &Path,
    kept: Option<Connection>,
) -> (Answer, Option<Connection>) {
    let mut answer = Answer::default();
    let kept = kept.filter(|_| step.keep);
    let connection = match kept {
        Some(connection) => connection,
        None => match connect(step, action, target, certificates, &mut answer).await {
            Ok(connection) => connection,
            Err(error) => {
                answer.add("connection", error);
                return (answer, None);
            }
        },
    };
    let asked = async {
        match (action, connection) {
            (Action::Request(request), Connection::Http1(wire)) => {
                let left = http1(request, wire, &mut answer).await;
                left.map(Connection::Http1)
            }
            (Action::Request(request), Connection::Http2(sender)) => {
                http2::ask(request, sender, step.tls.is_some(), &mut answer).await.map(Connection::Http2)
            }
            (Action::Bytes(exchanges), Connection::Http1(wire)) => {
                bytes::exchange(exchanges, wire, &mut answer).await.map(Connection::Http1)
            }
            _ => {
                answer.add("connection", "this cannot be sent on that connection");
                None
            }
        }
    };
    let left = timeout(ANSWER_TIMEOUT, asked).await;
    let Ok(left) = left else {
        answer.add("answer", format!("none in {ANSWER_TIMEOUT:?}"));
        return (answer, None);
    };
    (answer, left)
}

async fn connect(
    step: &Step,
    action: &Action,
    target: &Target,
    certificates: &Path,
    answer: &mut Answer,
) -> Result<Connection, String> {
    let words = |error: std::io::Error| format!("refused: {:?}", error.kind());
    let stream: Box<dyn Stream> = match target {
        Target::Port(port) => {
            let stream = TcpStream::connect(("127.0.0.1", *port)).await.map_err(words)?;
            let _ = stream.set_nodelay(true);
            Box::new(stream)
        }
        Target::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(words)?),
    };
    let stream: Box<dyn Stream> = match &step.tls {
        None => stream,
        Some(tls) => {
            let connector = tls::connector(certificates, tls);
            let connecting = connector.connect(tls::server_name(tls), stream);
            let stream = timeout(ANSWER_TIMEOUT, connecting).await.map_err(|_| "handshake takes too long")?;
            let stream = stream.map_err(|error| format!("handshake failed: {error}"))?;
            answer.add("tls", handshake(stream.get_ref().1));
            Box::new(stream)
        }
    };
    match action {
        Action::Request(Request { protocol: Protocol::Http2, .. }) => {
            let handshake = h2::client::handshake(stream).await;
            let (sender, connection) = handshake.map_err(|error| http2_words(&error))?;
            tokio::spawn(connection);
            Ok(Connection::Http2(sender))
        }
        _ => Ok(Connection::Http1(Wire::new(stream))),
    }
}

fn http2_words(error: &h2::Error) -> String {
    crate::upstream::http2_words(error)
}

fn handshake(connection: &tokio_rustls::rustls::ClientConnection) -> String {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    format!(
        "{:?} alpn={} certificate of {} bytes",
        connection.protocol_version(),
        connection.alpn_protocol().map_or("-".to_owned(), |name| String::from_utf8_lossy(name).into_owned()),
        certificate.map_or(0, |certificate| certificate.len()),
    )
}

async fn http1(request: &Request, mut wire: Wire, answer: &mut Answer) -> Option<Wire> {
    let version = if request.protocol == Protocol::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut fields = request.headers.clone();
    if request.chunked {
        fields.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    } else if !request.body.is_empty() && get(&fields, "content-length").is_none() {
        fields.push(("content-length".to_owned(), request.body.len().to_string()));
    }
    let head = write_head(&format!("{} {} {version}", request.method, request.path), &fields);
    let body =
        if request.chunked { write_chunked(&request.body, &request.trailers) } else { request.body.clone() };
    let expects = get(&fields, "expect").is_some();
    let sent = match expects {
        true => wire.stream.write_all(&head).await,
        false => wire.stream.write_all(&[head, body.clone()].concat()).await,
    };
    if let Err(error) = sent {
        answer.add("send", format!("{:?}", error.kind()));
    }
    let mut waiting = expects.then_some(body);
    loop {
        let head = match wire.head().await {
            Ok(Some(head)) => head,
            Ok(None) => {
                answer.add("answer", "the connection was closed");
                return None;
            }
            Err(error) => {
                answer.add("answer", format!("{:?} {error}", error.kind()));
                return None;
            }
        };
        let status = head.status();
        if (100..200).contains(&status) && status != 101 {
            answer.add("informational", format!("{} {:?}", head.line, head.fields));
            if let Some(body) = waiting.take().filter(|_| status == 100) {
                let _ = wire.stream.write_all(&body).await;
            }
            continue;
        }
        return final_answer(&request.method, head, wire, answer).await;
    }
}

/// Adds the head and body of an answer, and whether the connection was closed.
async fn final_answer(
    method: &str,
    head: crate::http1::Head,
    mut wire: Wire,
    answer: &mut Answer,
) -> Option<Wire> {
    let body = wire.response_body(method, &head).await;
    add_response(&head, &body, answer);
    let framed = head.is_chunked() || get(&head.fields, "content-length").is_some();
    let bodyless = method == "HEAD" || matches!(head.status(), 204 | 304);
    if head.closes() || body.cut.is_some() || !(framed || bodyless) {
        let closed = matches!(timeout(CLOSE_TIMEOUT, wire.fill()).await, Ok(Ok(0) | Err(_)));
        answer.add("closed", closed.to_string());
        return None;
    }
    Some(wire)
}

fn add_response(head: &crate::http1::Head, body: &crate::http1::Body, answer: &mut Answer) {
    let mut words = head.line.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    answer.add("status", status);
    answer.add("version", version);
    answer.add("reason", words.next().unwrap_or("(none)"));
    answer.add_fields("header", &head.fields);
    answer.add_body("body", &body.bytes);
    answer.add_fields("trailer", &body.trailers);
    if let Some(cut) = &body.cut {
        answer.add("cut", cut);
    }
}
