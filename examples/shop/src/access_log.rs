//! One log line for each request, written when its answer has been sent or given up. Not a metrics source.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::{self, Bytes},
};

use crate::{about::About, log};

/// Shown as status when the client left before there was an answer (a convention of nginx).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The middleware. The entry travels from the request into the answer's body and writes itself when dropped, so
/// that there is exactly one line whether the request was answered, failed or was cancelled.
pub(crate) async fn access_log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<LoggedBody>, Error> {
    let mut entry = Entry::new(&request);
    match next.call(request).await {
        Ok(answer) => {
            entry.status = answer.status().as_u16();
            Ok(answer.map_body(|_, body| LoggedBody { body: body.boxed(), entry }))
        }
        Err(error) => {
            entry.status = error.as_response_error().status_code().as_u16();
            Err(error)
        }
    }
}

/// An answer's body that counts what was taken from it.
pub(crate) struct LoggedBody {
    body: BoxBody,
    entry: Entry,
}

impl MessageBody for LoggedBody {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = self.body.as_pin_mut().poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.entry.bytes_sent += chunk.len() as u64;
        }
        polled
    }
}

/// What is known of one request. Dropping it writes the line.
struct Entry {
    service: &'static str,
    method: String,
    path: String,
    request_id: String,
    status: u16,
    bytes_sent: u64,
    started: Instant,
}

impl Entry {
    fn new(request: &ServiceRequest) -> Self {
        let request_id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
        Self {
            service: request.app_data::<web::Data<About>>().map_or("-", |about| about.service),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            request_id: request_id.unwrap_or("-").to_owned(),
            status: CLIENT_CLOSED_REQUEST,
            bytes_sent: 0,
            started: Instant::now(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Self { service, method, path, request_id, status, bytes_sent, started } = self;
        let millis = started.elapsed().as_millis();
        log::line(
            service,
            format_args!("\"{method} {path}\" {status} {bytes_sent}B {millis}ms id=\"{request_id}\""),
        );
    }
}
