//! An HTTP/1 upstream.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::plan::{Fault, Plan};
use super::{Recorder, Seen};
use crate::http1::{Fields, Head, Stream, Wire, write_chunked, write_head};

/// Answers until the connection ends.
pub async fn serve(
    stream: Box<dyn Stream>,
    name: &str,
    check: Option<u16>,
    tls: Option<String>,
    recorder: &Recorder,
) {
    let mut wire = Wire::new(stream);
    loop {
        let head = match wire.head().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(error) => {
                let line = format!("no request: {error}");
                recorder.begin(Seen { upstream: name.to_owned(), line, done: true, ..Seen::default() });
                return;
            }
        };
        if let Some(status) = check.filter(|_| head.line.starts_with("GET /check")) {
            let plan = Plan { status, ..Plan::read(&head.fields, name, 0) };
            if answer(&mut wire, "GET", &plan).await.is_err() {
                return;
            }
            continue;
        }
        let seen = Seen {
            upstream: name.to_owned(),
            line: head.line.clone(),
            fields: head.fields.clone(),
            tls: tls.clone(),
            ..Seen::default()
        };
        let (_, place, attempt) = recorder.begin(seen);
        let plan = Plan::read(&head.fields, name, attempt);
        if !one(&mut wire, &head, plan, recorder, place).await {
            return;
        }
    }
}

/// Answers one request. Gives whether there may be another.
async fn one(wire: &mut Wire, head: &Head, mut plan: Plan, recorder: &Recorder, place: usize) -> bool {
    let expects = head.get("expect").is_some_and(|word| word.eq_ignore_ascii_case("100-continue"));
    if expects && !plan.early && wire.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
        return false;
    }
    if plan.status == 101 {
        recorder.update(place, |seen| seen.done = true);
        return upgrade(wire, &plan, recorder, place).await;
    }
    if !plan.early {
        let body = wire.body(head).await;
        if plan.echo {
            plan.body.clone_from(&body.bytes);
        }
        let is_cut = body.cut.is_some();
        recorder.update(place, |seen| {
            (seen.body, seen.trailers, seen.cut, seen.done) = (body.bytes, body.trailers, body.cut, true);
        });
        if is_cut {
            return false;
        }
    }
    recorder.update(place, |seen| seen.done = true);
    tokio::time::sleep(Duration::from_millis(plan.delay_ms)).await;
    match plan.fault {
        Fault::Close | Fault::Reset => return false,
        Fault::Hang => {
            // Until the other side has had enough.
            while wire.fill().await.is_ok_and(|count| count > 0) {}
            return false;
        }
        Fault::None | Fault::Cut => {}
    }
    if let Some(raw) = &plan.raw {
        let _ = wire.stream.write_all(raw).await;
        let _ = wire.stream.shutdown().await;
        return false;
    }
    let method = head.line.split(' ').next().unwrap_or_default();
    answer(wire, method, &plan).await.is_ok() && !plan.early && plan.fault == Fault::None && !closes(&plan)
}

fn closes(plan: &Plan) -> bool {
    plan.fields.iter().any(|(name, value)| name.eq_ignore_ascii_case("connection") && value == "close")
}

async fn answer(wire: &mut Wire, method: &str, plan: &Plan) -> std::io::Result<()> {
    for (status, fields) in &plan.informational {
        wire.stream.write_all(&write_head(&format!("HTTP/1.1 {status} Early"), fields)).await?;
    }
    let bodyless = matches!(plan.status, 204 | 304);
    let mut fields = plan.fields.clone();
    let is_framed =
        |fields: &Fields| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if plan.chunked {
        fields.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    } else if !bodyless && !is_framed(&fields) {
        fields.push(("content-length".to_owned(), plan.body.len().to_string()));
    }
    let line = format!("HTTP/1.1 {} {}", plan.status, reason(plan.status));
    let head = write_head(&line, &fields);
    let body = match (method == "HEAD" || bodyless, plan.chunked) {
        (true, _) => Vec::new(),
        (false, true) => write_chunked(&plan.body, &plan.trailers),
        (false, false) => plan.body.clone(),
    };
    if plan.body_delay_ms > 0 || plan.fault == Fault::Cut {
        wire.stream.write_all(&head).await?;
        wire.stream.flush().await?;
        let (first, second) = body.split_at(body.len() / 2);
        wire.stream.write_all(first).await?;
        tokio::time::sleep(Duration::from_millis(plan.body_delay_ms.max(50))).await;
        if plan.fault == Fault::Cut {
            return Ok(());
        }
        wire.stream.write_all(second).await?;
    } else {
        wire.stream.write_all(&[head, body].concat()).await?;
    }
    wire.stream.flush().await
}

/// Switches protocols, then sends back every byte until the other side ends.
async fn upgrade(wire: &mut Wire, plan: &Plan, recorder: &Recorder, place: usize) -> bool {
    let head = write_head("HTTP/1.1 101 Switching Protocols", &plan.fields);
    if wire.stream.write_all(&head).await.is_err() {
        return false;
    }
    let early = std::mem::take(wire.buffered());
    recorder.update(place, |seen| seen.body.extend_from_slice(&early));
    let _ = wire.stream.write_all(&early).await;
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = wire.stream.read(&mut chunk).await {
        recorder.update(place, |seen| seen.body.extend_from_slice(&chunk[..count]));
        if chunk[..count].ends_with(b"BYE") || wire.stream.write_all(&chunk[..count]).await.is_err() {
            break;
        }
    }
    let _ = wire.stream.shutdown().await;
    false
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}
