//! Who is at the other end of a TLS connection, in the form that requests and logs need it.
//! The certificate was verified during the handshake; here it is only described.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::CertificateDer;

use crate::certificate::{CertificateError, CertificateFacts, to_pem};
use crate::token::hex;

/// A verified peer. Cloning copies a pointer; made once a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity(Arc<Description>);

#[derive(PartialEq, Eq)]
struct Description {
    spiffe_id: SpiffeId,
    sha256: String,
    subject: String,
    not_after: SystemTime,
    serial: String,
    issued_by: Option<String>,
    certificate: CertificateDer<'static>,
}

impl PeerIdentity {
    /// Describes the peer whose verified chain (leaf first) this is; pass what rustls calls `peer_certificates()`.
    /// `None` if the peer presented none.
    ///
    /// # Errors
    /// If the leaf is not an identity, which the mesh's verifiers do not let through.
    pub fn from_chain(chain: Option<&[CertificateDer<'_>]>) -> Result<Option<Self>, CertificateError> {
        chain.and_then(<[_]>::first).map(Self::from_certificate).transpose()
    }

    /// Describes the peer whose verified leaf certificate this is.
    ///
    /// # Errors
    /// As [`PeerIdentity::from_chain`].
    pub fn from_certificate(leaf: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let facts = CertificateFacts::read(leaf)?;
        Ok(Self(Arc::new(Description {
            spiffe_id: facts.spiffe_id()?,
            sha256: hex(digest::digest(&digest::SHA256, leaf.as_ref()).as_ref()),
            subject: facts.subject,
            not_after: facts.not_after,
            serial: facts.serial,
            issued_by: facts.authority_key_id,
            certificate: leaf.clone().into_owned(),
        })))
    }

    /// The peer's identity.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.0.spiffe_id
    }

    /// SHA-256 of the leaf certificate's DER, in lower-case hexadecimal.
    pub fn certificate_sha256(&self) -> &str {
        &self.0.sha256
    }

    /// Subject of the leaf as in RFC 2253, often empty.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// When the certificate that was presented ends; the connection may outlive it.
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after
    }

    /// Serial number of the leaf in lower-case hexadecimal.
    pub fn serial(&self) -> &str {
        &self.0.serial
    }

    /// Identifier of the key that signed the leaf in lower-case hexadecimal, if it says one.
    pub fn issued_by(&self) -> Option<&str> {
        self.0.issued_by.as_deref()
    }

    /// The leaf certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        to_pem(&self.0.certificate)
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerIdentity").field(&self.0.spiffe_id).finish()
    }
}

/// What is known of the client of a connection that a gRPC server accepted: a request extension.
#[derive(Debug, Clone)]
pub struct ConnectedPeer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Who it is, if it presented a certificate.
    pub identity: Option<PeerIdentity>,
    /// Whose process it is, if it is connected by a Unix socket: the number of the user. The address is the loopback one then.
    pub unix_user: Option<u32>,
}
