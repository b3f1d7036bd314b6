//! What is done to the headers of every answer, whoever it comes from.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use ripstop_model::http_manager::server::ServerTransformation;

use crate::generation::listener::ActiveManager;
use crate::http::headers::X_REQUEST_ID;
use crate::http::stream::ActiveStream;

/// Adds to an answer what the connection manager says of itself and of the request, and gives its status.
pub fn response(
    headers: &mut HeaderMap,
    status: StatusCode,
    manager: &ActiveManager,
    stream: &ActiveStream,
) -> StatusCode {
    match manager.config.server.transformation {
        ServerTransformation::Overwrite => {
            headers.insert(header::SERVER, manager.server.clone());
        }
        ServerTransformation::AppendIfAbsent if !headers.contains_key(header::SERVER) => {
            headers.insert(header::SERVER, manager.server.clone());
        }
        ServerTransformation::AppendIfAbsent | ServerTransformation::PassThrough => {}
    }
    if let Some(via) = &manager.rules.via {
        append(headers, header::VIA, via, ", ");
    }
    if let Some(id) = &stream.facts.request_id {
        headers.insert(X_REQUEST_ID, id.clone());
    }
    if let Some(filtered) = stream.was_filtered() {
        filtered.mark(headers);
    }
    match &manager.proxy_status {
        Some(proxy_status) => proxy_status.mark(headers, status, &stream.facts),
        None => status,
    }
}

/// Appends to the value of a header, or sets it.
pub fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue, separator: &str) {
    let before: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    if before.is_empty() {
        headers.insert(name, value.clone());
        return;
    }
    let mut all = before.join(separator.as_bytes());
    all.extend_from_slice(separator.as_bytes());
    all.extend_from_slice(value.as_bytes());
    if let Ok(all) = HeaderValue::from_bytes(&all) {
        headers.insert(name, all);
    }
}
