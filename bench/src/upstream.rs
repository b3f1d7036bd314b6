//! The endpoint behind every proxy: it costs as little as can be, so that what is seen is the proxy.

mod http1;
mod http2;

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::mpsc;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use crate::Outcome;
use crate::bulk::Source;
use crate::pin::{Side, pin};

/// Size of the large body.
pub const LARGE_BODY: u64 = 1 << 30;
/// Size of the body of middle size.
pub const MIDDLE_BODY: usize = 10 * 1024;
/// Size of the small body.
pub const SMALL_BODY: usize = 60;

/// The ports of a running upstream.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// HTTP/1, and tunnels that say everything back.
    pub http1: u16,
    /// HTTP/2 in plaintext, and calls of gRPC.
    pub http2: u16,
    /// Sends for ever.
    pub source: u16,
}

impl Upstream {
    /// Starts it on a thread of its own, beside the load. It ends with the process.
    pub fn start(processors: &[usize]) -> Outcome<Upstream> {
        let (tell, told) = mpsc::channel();
        let processors = processors.to_vec();
        std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            if let Err(error) = run(&processors, &tell) {
                // Whoever waits learns it, unless the upstream has begun already.
                let _ = tell.send(Err(error.to_string()));
            }
        })?;
        Ok(told.recv().map_err(|_| "the upstream ended")??)
    }
}

fn run(processors: &[usize], tell: &mpsc::Sender<Result<Upstream, String>>) -> Outcome<()> {
    pin(processors, Side::Load)?;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let (http1, http2, source) = (listen()?, listen()?, listen()?);
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let upstream = Upstream { http1: port(&http1)?, http2: port(&http2)?, source: port(&source)? };
        let bytes = Rc::new(Source::new()?);
        tell.send(Ok(upstream)).map_err(|_| "nobody waits for the upstream")?;
        let (for_bodies, for_bytes) = (bytes.clone(), bytes);
        tokio::join!(
            accept(http1, move |stream| http1::serve(stream, for_bodies.clone())),
            accept(http2, http2::serve),
            accept(source, move |stream| {
                let bytes = for_bytes.clone();
                async move { bytes.send(&stream, u64::MAX).await }
            }),
        );
        Ok(())
    })
}

/// On every address of the loopback interface, with room for ten thousand connections that come at once.
fn listen() -> Outcome<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    Ok(socket.listen(16_384)?)
}

async fn accept<F: Future<Output = Outcome<()>> + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let prompt = stream.set_nodelay(true);
        let served = serve(stream);
        tokio::task::spawn_local(async move {
            // Who closes a connection and why concerns the load, which looks at every answer.
            let _ = prompt;
            let _ = served.await;
        });
    }
}
