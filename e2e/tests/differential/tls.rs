//! TLS of the client and of the upstreams, with the certificates of [`crate::certificates`].

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::case;

fn chain(directory: &Path, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificates = CertificateDer::pem_file_iter(directory.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key"))).unwrap();
    (certificates.map(Result::unwrap).collect(), key)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider())
}

/// What an upstream shows.
pub fn acceptor(directory: &Path, kind: &case::UpstreamKind, name: &str) -> TlsAcceptor {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = if kind.client_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap()).unwrap();
        builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap(),
        )
    } else {
        builder.with_no_client_auth()
    };
    let (certificates, key) = chain(directory, name);
    let mut config = builder.with_single_cert(certificates, key).unwrap();
    config.alpn_protocols = if kind.http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    TlsAcceptor::from(Arc::new(config))
}

/// What the client does. It takes any certificate and tells which one it was.
pub fn connector(directory: &Path, tls: &case::Tls) -> TlsConnector {
    let versions: &[_] = match tls.max_version.as_deref() {
        Some("1.2") => &[&TLS12],
        _ => &[&TLS12, &TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider())));
    let mut config = match &tls.certificate {
        Some(name) => {
            let (certificates, key) = chain(directory, name);
            builder.with_client_auth_cert(certificates, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = tls.sni.is_some();
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    config.alpn_protocols = tls.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    TlsConnector::from(Arc::new(config))
}

/// The name for a handshake.
pub fn server_name(tls: &case::Tls) -> ServerName<'static> {
    ServerName::try_from(tls.sni.clone().unwrap_or_else(|| "localhost".to_owned())).unwrap()
}

#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
