//! An HTTP/2 upstream.

use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use super::plan::{Fault, Plan};
use super::{Recorder, Seen};
use crate::http1::{Fields, Stream, text};

/// Answers until the connection ends.
pub async fn serve(
    stream: Box<dyn Stream>,
    name: &str,
    check: Option<u16>,
    tls: Option<String>,
    recorder: &Recorder,
) {
    let mut connection = match h2::server::handshake(stream).await {
        Ok(connection) => connection,
        Err(error) => {
            let line = format!("no HTTP/2: {error}");
            recorder.begin(Seen { upstream: name.to_owned(), line, done: true, tls, ..Seen::default() });
            return;
        }
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        if let Some(status) = check.filter(|_| request.uri().path() == HEALTH) {
            tokio::spawn(checked(respond, status));
            continue;
        }
        let (name, tls, recorder) = (name.to_owned(), tls.clone(), recorder.clone());
        tokio::spawn(async move { one(request, respond, &name, tls, &recorder).await });
    }
}

/// The method of gRPC that asks how a server is.
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// SERVING, or NOT_SERVING.
async fn checked(respond: SendResponse<Bytes>, status: u16) {
    let serving = if status == 200 { 1 } else { 2 };
    let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let plan = Plan {
        status: 200,
        fields: field("content-type", "application/grpc"),
        body: vec![0, 0, 0, 0, 2, 8, serving],
        trailers: field("grpc-status", "0"),
        ..Plan::read(&Fields::new(), "", 0)
    };
    answer(respond, &plan, false).await;
}

/// Headers as they came.
pub fn fields(map: &HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

/// Headers to send.
pub fn map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.to_ascii_lowercase().parse().unwrap();
        map.append(name, HeaderValue::from_bytes(&crate::case::latin1(value)).unwrap());
    }
    map
}

/// A body to its end: bytes, trailers, and why it ended too early.
pub async fn body(stream: &mut RecvStream) -> (Vec<u8>, Fields, Option<String>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.data().await {
        match chunk {
            Ok(chunk) => {
                let _ = stream.flow_control().release_capacity(chunk.len());
                bytes.extend_from_slice(&chunk);
            }
            Err(error) => return (bytes, Fields::new(), Some(words(&error))),
        }
    }
    match stream.trailers().await {
        Ok(trailers) => (bytes, trailers.map(|map| fields(&map)).unwrap_or_default(), None),
        Err(error) => (bytes, Fields::new(), Some(words(&error))),
    }
}

/// What ended a stream.
pub fn words(error: &h2::Error) -> String {
    match error.reason() {
        Some(reason) if error.is_go_away() => format!("GOAWAY {reason:?}"),
        Some(reason) => format!("RST_STREAM {reason:?}"),
        None => "connection ended".to_owned(),
    }
}

async fn one(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    name: &str,
    tls: Option<String>,
    recorder: &Recorder,
) {
    let (parts, mut stream) = request.into_parts();
    let uri = &parts.uri;
    let line = format!(
        "{} {}://{} {} HTTP/2",
        parts.method,
        uri.scheme_str().unwrap_or("-"),
        uri.authority().map_or("-", |authority| authority.as_str()),
        uri.path_and_query().map_or("-", |path| path.as_str()),
    );
    let headers = fields(&parts.headers);
    let seen = Seen { upstream: name.to_owned(), line, fields: headers.clone(), tls, ..Seen::default() };
    let (_, place, attempt) = recorder.begin(seen);
    let mut plan = Plan::read(&headers, name, attempt);
    if !plan.early {
        let (bytes, trailers, cut) = body(&mut stream).await;
        if plan.echo {
            plan.body.clone_from(&bytes);
        }
        recorder.update(place, |seen| (seen.body, seen.trailers, seen.cut) = (bytes, trailers, cut));
    }
    recorder.update(place, |seen| seen.done = true);
    tokio::time::sleep(Duration::from_millis(plan.delay_ms)).await;
    match plan.fault {
        Fault::Close => respond.send_reset(Reason::REFUSED_STREAM),
        Fault::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
        Fault::Hang => {
            let _ = futures_util::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        }
        Fault::None | Fault::Cut => answer(respond, &plan, parts.method == "HEAD").await,
    }
}

async fn answer(mut respond: SendResponse<Bytes>, plan: &Plan, is_head: bool) {
    for (status, fields) in &plan.informational {
        let mut response = Response::builder().status(*status).body(()).unwrap();
        *response.headers_mut() = map(fields);
        let _ = respond.send_informational(response);
    }
    let mut response = Response::builder().status(plan.status).body(()).unwrap();
    *response.headers_mut() = map(&plan.fields);
    let bodyless =
        is_head || matches!(plan.status, 204 | 304) || (plan.body.is_empty() && plan.trailers.is_empty());
    let Ok(mut stream) = respond.send_response(response, bodyless) else { return };
    if bodyless {
        return;
    }
    tokio::time::sleep(Duration::from_millis(plan.body_delay_ms)).await;
    let body = Bytes::from(plan.body.clone());
    if plan.fault == Fault::Cut {
        let _ = stream.send_data(body, false);
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.send_reset(Reason::INTERNAL_ERROR);
    } else if plan.trailers.is_empty() {
        let _ = stream.send_data(body, true);
    } else {
        let _ = stream.send_data(body, false);
        let _ = stream.send_trailers(map(&plan.trailers));
    }
}
