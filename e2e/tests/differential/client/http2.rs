//! HTTP/2 requests.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Uri};

use crate::answer::Answer;
use crate::case::Request;
use crate::upstream::{http2_body, http2_fields, http2_map, http2_words};

/// Headers that HTTP/2 has no place for: they are about an HTTP/1 connection, or have a pseudo-header.
const LEFT_OUT: [&str; 2] = ["host", "transfer-encoding"];

/// Sends a request and reads the answer. Gives the connection if it is still good.
pub async fn ask(
    request: &Request,
    sender: SendRequest<Bytes>,
    tls: bool,
    answer: &mut Answer,
) -> Option<SendRequest<Bytes>> {
    let mut sender = match sender.ready().await {
        Ok(sender) => sender,
        Err(error) => {
            answer.add("answer", http2_words(&error));
            return None;
        }
    };
    match send(request, &mut sender, tls, answer).await {
        Ok(()) => {}
        Err(error) => answer.add("answer", http2_words(&error)),
    }
    sender.ready().await.ok()
}

async fn send(
    request: &Request,
    sender: &mut SendRequest<Bytes>,
    tls: bool,
    answer: &mut Answer,
) -> Result<(), h2::Error> {
    let host = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map_or("example.com", |(_, value)| value.as_str());
    let scheme = if tls { "https" } else { "http" };
    let uri: Uri = match request.method.as_str() {
        "CONNECT" => host.parse().unwrap(),
        _ => format!("{scheme}://{host}{}", request.path).parse().unwrap(),
    };
    let mut head = http::Request::new(());
    *head.method_mut() = Method::from_bytes(request.method.as_bytes()).unwrap();
    *head.uri_mut() = uri;
    let fields = request.headers.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.to_lowercase().as_str()));
    *head.headers_mut() = http2_map(&fields.cloned().collect());
    let bodyless = request.body.is_empty() && request.trailers.is_empty() && !request.chunked;
    let (mut response, mut stream) = sender.send_request(head, bodyless)?;
    if !bodyless {
        stream.send_data(request.body.clone().into(), request.trailers.is_empty())?;
        if !request.trailers.is_empty() {
            stream.send_trailers(http2_map(&request.trailers))?;
        }
    }
    loop {
        let informational =
            futures_util::future::poll_fn(|cx| response.poll_informational(cx)).await.transpose()?;
        let Some(informational) = informational else { break };
        let fields = http2_fields(informational.headers());
        answer.add("informational", format!("{} {fields:?}", informational.status().as_u16()));
    }
    let (parts, mut body) = response.await?.into_parts();
    answer.add("status", parts.status.as_u16().to_string());
    answer.add("version", "HTTP/2");
    add_fields(answer, &parts.headers);
    let (bytes, trailers, cut) = http2_body(&mut body).await;
    answer.add_body("body", &bytes);
    answer.add_fields("trailer", &trailers);
    if let Some(cut) = cut {
        answer.add("cut", cut);
    }
    Ok(())
}

fn add_fields(answer: &mut Answer, headers: &HeaderMap) {
    answer.add_fields("header", &http2_fields(headers));
}
