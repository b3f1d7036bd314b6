//! Upstreams that answer by what they are asked for, and keep what reached them. The plan of an answer is [`plan`];
//! what is spoken is in [`http1`] and [`http2`].

mod http1;
mod http2;
mod plan;

pub use http2::{body as http2_body, fields as http2_fields, map as http2_map, words as http2_words};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::case::UpstreamKind;
use crate::http1::{Fields, Stream};

/// A request as an upstream saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Which upstream.
    pub upstream: String,
    /// The request line; of HTTP/2 the pseudo-headers.
    pub line: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Why it ended too early, if it did.
    pub cut: Option<String>,
    /// Whether it has come to its end.
    pub done: bool,
    /// What was said in the TLS handshake.
    pub tls: Option<String>,
}

/// What the upstreams of one side have seen.
#[derive(Clone, Default)]
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    tries: Arc<AtomicUsize>,
}

impl Recorder {
    /// Takes what has been seen. The next request is the first again.
    pub fn take(&self) -> Vec<Seen> {
        self.tries.store(0, Ordering::Relaxed);
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// How many requests have been seen to their end, and how many in all.
    pub fn count(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.iter().filter(|one| one.done).count(), seen.len())
    }

    /// A request begins. Gives its place and which try it is.
    fn begin(&self, seen: Seen) -> (Arc<Mutex<Vec<Seen>>>, usize, usize) {
        let mut all = self.seen.lock().unwrap();
        all.push(seen);
        (self.seen.clone(), all.len() - 1, self.tries.fetch_add(1, Ordering::Relaxed))
    }

    /// Says more of a request that has begun. If it was taken away in the meantime, nobody asks any more.
    fn update(&self, place: usize, update: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().unwrap().get_mut(place) {
            update(seen);
        }
    }
}

/// Starts upstreams. Gives their ports.
pub async fn start(
    names: &[String],
    kinds: &BTreeMap<String, UpstreamKind>,
    certificates: &Path,
    recorder: &Recorder,
) -> BTreeMap<String, u16> {
    let mut ports = BTreeMap::new();
    for name in names {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.insert(name.clone(), listener.local_addr().unwrap().port());
        let kind = kinds.get(name).cloned().unwrap_or_default();
        let acceptor = kind.tls.as_ref().map(|tls| crate::tls::acceptor(certificates, &kind, tls));
        tokio::spawn(accept(listener, name.clone(), kind, acceptor, recorder.clone()));
    }
    ports
}

async fn accept(
    listener: TcpListener,
    name: String,
    kind: UpstreamKind,
    acceptor: Option<TlsAcceptor>,
    recorder: Recorder,
) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let _ = socket.set_nodelay(true);
        let (name, kind, recorder, acceptor) =
            (name.clone(), kind.clone(), recorder.clone(), acceptor.clone());
        tokio::spawn(async move {
            let Some(acceptor) = acceptor else {
                return serve(Box::new(socket), &name, &kind, None, recorder).await;
            };
            match acceptor.accept(socket).await {
                Ok(stream) => {
                    let said = handshake(stream.get_ref().1);
                    serve(Box::new(stream), &name, &kind, Some(said), recorder).await;
                }
                Err(error) => {
                    let line = format!("handshake failed: {error}");
                    recorder.begin(Seen { upstream: name, line, done: true, ..Seen::default() });
                }
            }
        });
    }
}

fn handshake(connection: &tokio_rustls::rustls::ServerConnection) -> String {
    format!(
        "sni={} alpn={} client={}",
        connection.server_name().unwrap_or("-"),
        connection.alpn_protocol().map_or("-".to_owned(), |name| String::from_utf8_lossy(name).into_owned()),
        connection.peer_certificates().map_or(0, <[_]>::len),
    )
}

async fn serve(
    stream: Box<dyn Stream>,
    name: &str,
    kind: &UpstreamKind,
    tls: Option<String>,
    recorder: Recorder,
) {
    if kind.echo {
        echo(stream, name, tls, &recorder).await;
    } else if kind.http2 {
        http2::serve(stream, name, kind.check, tls, &recorder).await;
    } else {
        http1::serve(stream, name, kind.check, tls, &recorder).await;
    }
}

/// Says its name, then sends back every byte until the other side ends.
async fn echo(mut stream: Box<dyn Stream>, name: &str, tls: Option<String>, recorder: &Recorder) {
    let seen = Seen { upstream: name.to_owned(), line: "connection".to_owned(), tls, ..Seen::default() };
    let place = recorder.begin(seen).1;
    let mut chunk = vec![0; 16 * 1024];
    let mut cut = stream.write_all(format!("{name}: ").as_bytes()).await.err();
    while cut.is_none() {
        match stream.read(&mut chunk).await {
            Ok(0) => break,
            Ok(count) => {
                recorder.update(place, |seen| seen.body.extend_from_slice(&chunk[..count]));
                cut = stream.write_all(&chunk[..count]).await.err();
            }
            Err(error) => cut = Some(error),
        }
    }
    let _ = stream.shutdown().await;
    recorder.update(place, |seen| {
        seen.done = true;
        seen.cut = cut.map(|error| error.kind().to_string());
    });
}
