//! A gRPC channel to the control plane over our own TLS: connects on first use and again whenever the connection is lost,
//! each time with the SVID of the moment. The certificate agent and the xDS client share it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use crate::socket::Socket;
use crate::verify::refusal;

/// TCP and TLS together must be done within this.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP/2 ping is sent this often, also while nothing happens.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// A ping that is not answered within this ends the connection.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the path of a Unix socket is written with.
const UNIX_PREFIX: &str = "unix:";

/// An address that is neither `host:port` nor `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is not an address of a control plane; write it as `host:port`, for example `127.0.0.1:15012`, or as `unix:PATH`"
)]
pub struct AddressError {
    /// What was given.
    pub address: String,
}

/// A channel to `address` (`host:port`, or `unix:PATH` on the same machine). Nothing is opened before the first call. `tls` should come from
/// [`crate::tls::control_client_config`]; it decides who the server must be, the host name does not.
///
/// # Errors
/// If `address` is neither.
pub fn connect(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, AddressError> {
    let wrong = || AddressError { address: address.to_owned() };
    let authority = match address.strip_prefix(UNIX_PREFIX) {
        Some("") => return Err(wrong()),
        // gRPC wants a host; who the server must be is in `tls`.
        Some(_) => "localhost:0",
        None => address,
    };
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    port.parse::<u16>().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let server_name = ServerName::try_from(host).map_err(|_| wrong())?;
    let origin: Uri = format!("https://{authority}").parse().map_err(|_| wrong())?;
    // The scheme `http` keeps tonic from adding a TLS of its own; `origin` is what the server is told.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|_| wrong())?
        .origin(origin)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let dialer = Dialer { address: Arc::from(address), server_name, tls: TlsConnector::from(tls) };
    Ok(endpoint.connect_with_connector_lazy(dialer))
}

#[derive(Clone)]
struct Dialer {
    address: Arc<str>,
    server_name: ServerName<'static>,
    tls: TlsConnector,
}

impl Dialer {
    async fn dial(self) -> io::Result<TokioIo<TlsStream<Socket>>> {
        let explain = |what: &str, e: io::Error| {
            let reason = refusal(&e).map_or_else(|| e.to_string(), ToString::to_string);
            io::Error::new(e.kind(), format!("{what} control plane {}: {reason}", self.address))
        };
        let socket = match self.address.strip_prefix(UNIX_PREFIX) {
            Some(path) => UnixStream::connect(path).await.map(Socket::Unix),
            None => TcpStream::connect(&*self.address).await.and_then(|tcp| {
                tcp.set_nodelay(true)?;
                Ok(Socket::Tcp(tcp))
            }),
        };
        let socket = socket.map_err(|e| explain("cannot connect to", e))?;
        let tls = self.tls.connect(self.server_name, socket).await;
        Ok(TokioIo::new(tls.map_err(|e| explain("TLS handshake failed with", e))?))
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TlsStream<Socket>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bundle::TrustBundle;
    use crate::svid::IdentityHandle;
    use crate::tls::{Present, control_client_config};
    use ripstop_model::spiffe::TrustDomain;

    #[tokio::test]
    async fn only_host_and_port_is_an_address() {
        let domain = TrustDomain::new("td").unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone();
        let identity = IdentityHandle::new(TrustBundle::new(domain.clone(), vec![root]).unwrap());
        let control = crate::control_identity(&domain).unwrap();
        let tls = control_client_config(&identity, control, Present::Nothing).unwrap();
        for good in
            ["127.0.0.1:15012", "[::1]:1", "localhost:15012", "control.ripstop:15012", "unix:/run/x.sock"]
        {
            assert!(connect(good, Arc::clone(&tls)).is_ok(), "{good}");
        }
        for bad in ["", "unix:", "127.0.0.1", "host:", ":1", "host:99999", "http://host:1", "ho st:1"] {
            assert!(connect(bad, Arc::clone(&tls)).is_err(), "{bad}");
        }
    }
}
