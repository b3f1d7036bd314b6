//! TLS of clients, without resumption: every handshake is a whole one.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::site::SERVER_NAME;

/// What all connections of a client share.
pub struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Trusts the certificate in a file.
    pub fn new(root: &Path) -> Outcome<TlsClient> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root)?)?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsClient {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(SERVER_NAME)?,
        })
    }

    /// A new connection.
    pub async fn connect(&self, address: SocketAddr) -> Outcome<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(self.connector.connect(self.name.clone(), stream).await?)
    }
}

/// One handshake after the other.
pub struct Handshakes {
    client: Rc<TlsClient>,
    address: SocketAddr,
}

impl Handshakes {
    /// With connections to `address`.
    pub fn new(client: Rc<TlsClient>, address: SocketAddr) -> Handshakes {
        Handshakes { client, address }
    }

    /// Shakes hands and closes the connection with a reset, so that ports are not used up.
    pub async fn ask(&mut self) -> Outcome<()> {
        let stream = self.client.connect(self.address).await?;
        rustix::net::sockopt::set_socket_linger(stream.get_ref().0, Some(std::time::Duration::ZERO))?;
        Ok(())
    }
}
