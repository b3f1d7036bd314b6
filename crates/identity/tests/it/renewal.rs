//! Renewal under open connections: the next handshake uses the new certificate, the old connections do not notice.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use ripstop_identity::peer::PeerIdentity;
use ripstop_identity::tls::{self, ALPN_H2};
use ripstop_identity::verify::AllowedIdentities;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::support::{HOUR, authority, domain, id, workload};
use crate::testdir::TestDir;

struct Connection {
    server: server::TlsStream<DuplexStream>,
    client: client::TlsStream<DuplexStream>,
}

impl Connection {
    async fn open(acceptor: &TlsAcceptor, connector: &TlsConnector) -> io::Result<Self> {
        let (server_io, client_io) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.shop").unwrap();
        let (server, client) = tokio::join!(acceptor.accept(server_io), connector.connect(name, client_io));
        Ok(Self { server: server?, client: client? })
    }

    /// A message there and back.
    async fn echo(&mut self) -> io::Result<()> {
        self.client.write_all(b"ping").await?;
        let mut buffer = [0; 4];
        self.server.read_exact(&mut buffer).await?;
        self.server.write_all(&buffer).await?;
        self.client.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"ping");
        Ok(())
    }

    /// Hashes of the certificates that client and server showed.
    fn shown(&self) -> (String, String) {
        let hash = |chain| PeerIdentity::from_chain(chain).unwrap().unwrap().certificate_sha256().to_owned();
        (hash(self.server.get_ref().1.peer_certificates()), hash(self.client.get_ref().1.peer_certificates()))
    }
}

#[tokio::test]
async fn twenty_renewals_do_not_disturb_open_connections() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let client = workload(&authority, &id("client"), &authority.trust_bundle());
    let any = AllowedIdentities::AnyInTrustDomain;
    let acceptor = TlsAcceptor::from(tls::mesh_server_config(&server, any.clone(), &[ALPN_H2]).unwrap());
    let connector = TlsConnector::from(tls::mesh_client_config(&client, any, &[ALPN_H2]).unwrap());

    let mut connections = vec![Connection::open(&acceptor, &connector).await.unwrap()];
    for _ in 0..20 {
        for (identity, name) in [(&server, "server"), (&client, "client")] {
            identity.publish(authority.issue_svid(&id(name), HOUR, SystemTime::now()).unwrap());
        }
        connections.push(Connection::open(&acceptor, &connector).await.unwrap());
        for connection in &mut connections {
            connection.echo().await.unwrap();
        }
    }
    let mut shown: Vec<_> = connections.iter().map(Connection::shown).collect();
    shown.sort();
    shown.dedup_by(|a, b| a.0 == b.0 || a.1 == b.1);
    assert_eq!(shown.len(), 21, "every connection was opened with the certificate of its moment");
}

#[tokio::test]
async fn whoever_waits_is_told_of_the_first_certificate_and_of_every_change() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let identity = ripstop_identity::svid::IdentityHandle::new(authority.trust_bundle());
    let waiting = {
        let identity = identity.clone();
        tokio::spawn(async move { identity.ready().await })
    };
    let mut changes = identity.subscribe();
    identity.publish(authority.issue_svid(&id("a"), HOUR, SystemTime::now()).unwrap());
    assert_eq!(waiting.await.unwrap().id(), &id("a"));
    changes.changed().await.unwrap();
    identity.replace_trust_bundle(authority.trust_bundle());
    changes.changed().await.unwrap();
    assert_eq!(*changes.borrow(), 2);
    assert!(Arc::ptr_eq(&identity.svid().unwrap(), &identity.ready().await));
}
