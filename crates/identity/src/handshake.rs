//! What rustls asks of whoever judges peers, on either side of a handshake. Whom it accepts is for a `Judge` to decide; that
//! a peer has the key of the certificate that it shows is checked here.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::KeyUsage;

use crate::tls;

/// Decides about peers.
pub(crate) trait Judge: fmt::Debug + Send + Sync {
    /// Whether the peer with this chain is accepted at `now`; `asked` is the name that a client asked a server for.
    ///
    /// # Errors
    /// What becomes of the handshake.
    fn judge_peer(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        asked: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), rustls::Error>;

    /// Whether a client must present a certificate.
    fn wants_client_certificate(&self) -> bool;

    /// Names of authorities that clients are told.
    fn hints(&self) -> &[DistinguishedName];
}

/// A judge of peers as rustls wants it.
#[derive(Debug)]
pub struct HandshakeVerifier {
    judge: Arc<dyn Judge>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl HandshakeVerifier {
    /// Lets `judge` decide.
    pub(crate) fn new(judge: Arc<dyn Judge>) -> Arc<Self> {
        Arc::new(Self { judge, algorithms: tls::provider().signature_verification_algorithms })
    }
}

impl ClientCertVerifier for HandshakeVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.judge.wants_client_certificate()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.hints()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge.judge_peer(leaf, intermediates, KeyUsage::client_auth(), None, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for HandshakeVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge.judge_peer(leaf, intermediates, KeyUsage::server_auth(), Some(server_name), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
