//! The skeleton of admin pages: a small HTTP/1.1 server over a table of pages. Not for user traffic.

mod guard;
mod pages;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

pub use pages::{Answer, PageInfo, Pages, Param, Query, html, json, text};

use crate::listen::Listener;
use crate::shutdown::ShutdownWatch;
use crate::stream::Stream;

/// Most admin connections at once; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 64;

/// Longest form in bytes.
pub const MAX_FORM_BYTES: usize = 64 << 10;

/// A request head, and a form, that takes longer is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the pages until everything has to stop, so that they can be read while draining.
pub async fn serve(listener: Listener, pages: Arc<Pages>, mut shutdown: ShutdownWatch) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.stopped() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: others need the time to close some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let pages = pages.clone();
        tokio::spawn(async move {
            serve_connection(stream, pages).await;
            drop(slot);
        });
    }
}

async fn serve_connection(stream: Stream, pages: Arc<Pages>) {
    // No browser speaks over a Unix socket, so nobody can be led astray there.
    let own = stream.local_address();
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = pages.clone();
        async move {
            Ok::<_, Infallible>(if own.is_some_and(|own| guard::is_led_astray(&request, own.ip())) {
                let advice = "ask for these pages by a loopback name or by the address they are served at\n";
                text(StatusCode::FORBIDDEN, advice)
            } else {
                answer(request, &pages).await
            })
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}

/// What a form says counts like a query.
async fn answer(request: Request<Incoming>, pages: &Pages) -> Answer {
    let (head, body) = request.into_parts();
    let mut query = Query::parse(head.uri.query().unwrap_or_default());
    let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded")) {
        let form = Limited::new(body, MAX_FORM_BYTES).collect();
        match tokio::time::timeout(HEAD_TIMEOUT, form).await {
            Ok(Ok(form)) => {
                query = query.and(Query::parse(&String::from_utf8_lossy(&form.to_bytes())));
            }
            Ok(Err(_)) | Err(_) => return text(StatusCode::BAD_REQUEST, "the form cannot be read\n"),
        }
    }
    pages.answer(&head.method, head.uri.path(), &query)
}
