//! Our own roots for other trust domains: SPIFFE bundle JSON over HTTPS, proved by the control plane's identity (SPIFFE
//! federation, profile `https_spiffe`). Roots are public: whoever asks is answered.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_identity::accept::PeerStream;
use ripstop_identity::authority::Announcement;
use ripstop_identity::clock::Clock;
use ripstop_identity::federation;
use tokio::sync::{RwLock, watch};
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt};

/// Most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;
/// A request that takes longer, and a connection that is idle for longer, is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What is answered at the moment.
struct Document {
    version: String,
    sequence: u64,
    text: Bytes,
}

/// Answers on `incoming` until the future is dropped.
pub(super) async fn serve(
    mut incoming: impl Stream<Item = io::Result<PeerStream>> + Unpin,
    mut announced: watch::Receiver<Arc<Announcement>>,
    refresh: Duration,
    clock: Clock,
) {
    let write = |announcement: &Announcement, before| write(announcement, before, refresh, &clock);
    let document = Arc::new(RwLock::new(write(&announced.borrow_and_update(), None)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            Ok(()) = announced.changed() => {
                let announcement = Arc::clone(&announced.borrow_and_update());
                let mut document = document.write().await;
                if document.version != announcement.version {
                    *document = write(&announcement, Some(document.sequence));
                }
            }
            accepted = incoming.next(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Some(Ok(stream)) => {
                    connections.spawn(answer(stream, Arc::clone(&document)));
                }
                Some(Err(_)) => {}
                None => return,
            }
        }
    }
}

/// The sequence number is the time of the change, so that it grows over restarts, too.
fn write(announcement: &Announcement, before: Option<u64>, refresh: Duration, clock: &Clock) -> Document {
    let now = clock.now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let sequence = before.map_or(now, |before| now.max(before + 1));
    let text = federation::write(announcement.trust.bundle(), sequence, refresh);
    Document { version: announcement.version.clone(), sequence, text: text.into() }
}

async fn answer(stream: PeerStream, document: Arc<RwLock<Document>>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let document = Arc::clone(&document);
        async move {
            let mut response = Response::new(Full::default());
            if *request.method() == Method::GET || *request.method() == Method::HEAD {
                *response.body_mut() = Full::new(document.read().await.text.clone());
                let json = header::HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
            } else {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the bundle endpoint ended");
    }
}
