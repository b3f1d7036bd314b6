//! An HTTP server that answers as the test says, on a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What an upstream answers.
pub type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// Which protocol an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// A running upstream. It ends when it is dropped, and all its connections with it.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upstream {
    /// Starts an HTTP/1.1 upstream on a free port.
    pub fn start<H, F>(handler: H) -> Upstream
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Answer, std::io::Error>> + Send + 'static,
    {
        Upstream::start_at(([127, 0, 0, 1], 0).into(), Speaks::Http1, handler)
    }

    /// Starts an upstream at an address.
    pub fn start_at<H, F>(address: SocketAddr, speaks: Speaks, handler: H) -> Upstream
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Answer, std::io::Error>> + Send + 'static,
    {
        let socket = std::net::TcpListener::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let counted = connections.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = TcpListener::from_std(socket).unwrap();
                tokio::select! {
                    () = accept(socket, speaks, handler, counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Upstream { address, connections, stop: Some(stop), thread: Some(thread) }
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<H, F>(socket: TcpListener, speaks: Speaks, handler: H, connections: Arc<AtomicU64>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, std::io::Error>> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = socket.accept().await else { continue };
        connections.fetch_add(1, Ordering::SeqCst);
        let service = service_fn(handler.clone());
        tokio::spawn(async move {
            let io = TokioIo::new(stream);
            // How a connection ends is the business of the test.
            let _ = match speaks {
                Speaks::Http1 => {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                }
                Speaks::Http2 => {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await
                }
            };
        });
    }
}

/// An answer with a text body.
pub fn text(status: u16, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
    Response::builder().status(status).body(body).unwrap()
}
