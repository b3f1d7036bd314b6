//! What is known of a TLS connection and of the certificates of both sides, for logs and headers. It describes; judging
//! was done in the handshake.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use rustls::{CommonState, HandshakeKind, ProtocolVersion, SupportedCipherSuite};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::certificate::{CertificateError, parse, rfc2253, serial_hex, to_pem};
use crate::clock::from_unix_seconds;
use crate::token::hex;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetails {
    /// The subject as in RFC 2253; empty if there is none.
    pub subject: String,
    /// The issuer as in RFC 2253.
    pub issuer: String,
    /// Alternative names that are URIs, in order.
    pub uris: Vec<String>,
    /// Alternative names that are DNS names, in order.
    pub dns_names: Vec<String>,
    /// Alternative names that are IP addresses, in order.
    pub ips: Vec<IpAddr>,
    /// Alternative names that are mail addresses, in order.
    pub emails: Vec<String>,
    /// The common name of the subject, if there is one.
    pub common_name: Option<String>,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// First second of validity.
    pub not_before: SystemTime,
    /// Last second of validity.
    pub not_after: SystemTime,
    /// The certificate.
    der: CertificateDer<'static>,
}

impl CertificateDetails {
    /// Parses a certificate.
    ///
    /// # Errors
    /// It is malformed.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<CertificateDetails, CertificateError> {
        let parsed = parse(certificate)?;
        let mut details = CertificateDetails {
            subject: rfc2253(parsed.subject()),
            issuer: rfc2253(parsed.issuer()),
            uris: Vec::new(),
            dns_names: Vec::new(),
            ips: Vec::new(),
            emails: Vec::new(),
            common_name: parsed
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            serial: serial_hex(&parsed),
            not_before: from_unix_seconds(parsed.validity().not_before.timestamp()),
            not_after: from_unix_seconds(parsed.validity().not_after.timestamp()),
            der: certificate.clone().into_owned(),
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => details.uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => details.dns_names.push((*name).to_owned()),
                GeneralName::RFC822Name(mail) => details.emails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => details.ips.extend(ip(bytes)),
                _ => {}
            }
        }
        Ok(details)
    }

    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }

    /// SHA-1 of the certificate, in lower-case hexadecimal.
    pub fn sha1(&self) -> String {
        hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        to_pem(&self.der)
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// A TLS connection after its handshake. Certificates are parsed when somebody asks.
#[derive(Debug)]
pub struct TlsFacts {
    version: Option<ProtocolVersion>,
    suite: Option<SupportedCipherSuite>,
    /// The group of the key exchange, by its name in TLS; empty: none, or not known.
    pub group: &'static str,
    /// What was agreed by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// Whether the handshake was cut short.
    pub resumed: bool,
    /// Whether the certificate of the peer was judged, and found good.
    pub peer_validated: bool,
    chain: Vec<CertificateDer<'static>>,
    local: Option<Arc<CertificateDetails>>,
    peer: OnceCell<Option<CertificateDetails>>,
}

impl TlsFacts {
    /// Reads them off a connection whose handshake is over. `local` is our certificate.
    pub fn new(
        connection: &CommonState,
        local: Option<Arc<CertificateDetails>>,
        peer_validated: bool,
    ) -> TlsFacts {
        let chain = connection.peer_certificates().unwrap_or_default();
        TlsFacts {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite(),
            group: connection.negotiated_key_exchange_group().map_or("", |group| group_name(group.name())),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name: None,
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            peer_validated: peer_validated && !chain.is_empty(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            local,
            peer: OnceCell::new(),
        }
    }

    /// The same with the name that the client asked for.
    pub fn asked_for(self, server_name: Option<String>) -> TlsFacts {
        TlsFacts { server_name, ..self }
    }

    /// `TLSv1.3` or `TLSv1.2`.
    pub fn version(&self) -> &'static str {
        match self.version {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        }
    }

    /// The cipher suite by OpenSSL's name, as Envoy shows it.
    pub fn cipher(&self) -> &'static str {
        self.suite.map_or("", super::params::suite_name)
    }

    /// The certificate of the peer; `None`: it presented none.
    pub fn peer(&self) -> Option<&CertificateDetails> {
        self.peer.get_or_init(|| CertificateDetails::read(self.chain.first()?).ok()).as_ref()
    }

    /// Whether the peer presented a certificate.
    pub fn has_peer_certificate(&self) -> bool {
        !self.chain.is_empty()
    }

    /// The certificates that the peer presented, its own first.
    pub fn peer_chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The certificates that the peer presented as PEM, its own first.
    pub fn peer_chain_pem(&self) -> String {
        self.chain.iter().map(to_pem).collect()
    }

    /// Our certificate.
    pub fn local(&self) -> Option<&CertificateDetails> {
        self.local.as_deref()
    }
}

fn group_name(group: rustls::NamedGroup) -> &'static str {
    match group {
        rustls::NamedGroup::X25519 => "X25519",
        rustls::NamedGroup::secp256r1 => "P-256",
        rustls::NamedGroup::secp384r1 => "P-384",
        rustls::NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        _ => "other",
    }
}
