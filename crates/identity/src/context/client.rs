//! The client side of a context: the certificate that is shown, and what servers are judged by.

use std::net::IpAddr;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_model::tls::{CertificateSource, PeerValidation, TlsClient};
use rustls::ClientConfig;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;

use super::ContextError;
use super::facts::CertificateDetails;
use super::material::Reader;
use super::params;
use super::server::allowed_identities;
use super::validation::Validator;
use crate::handshake::HandshakeVerifier;
use crate::svid::{IdentityHandle, SvidResolver};
use crate::verify::PeerVerifier;

/// What a client is besides what is written of its TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientUse {
    /// Protocols offered by ALPN where the context names none.
    pub alpn: Vec<Name>,
    /// Whether the certificate must be for the name that is asked for, whatever else is written.
    pub verify_server_name: bool,
}

/// A compiled [`TlsClient`].
pub struct ClientContext {
    /// For HTTP.
    pub http: Arc<ClientConfig>,
    /// For bytes: offers only the protocols that are written.
    pub tcp: Arc<ClientConfig>,
    /// The name that is asked for where nothing else is known; `None`: none.
    pub server_name: Option<ServerName<'static>>,
    validator: Option<Arc<Validator>>,
    local: Option<Arc<CertificateDetails>>,
}

/// Always the same certificate.
#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesClientCert for Fixed {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ClientContext {
    /// Reads and compiles what `tls` names.
    pub fn compile(
        reader: &mut Reader<'_>,
        tls: &TlsClient,
        used: &ClientUse,
        identity: Option<&IdentityHandle>,
    ) -> Result<ClientContext, ContextError> {
        let for_server_name = tls.auto_sni_san_validation || used.verify_server_name;
        let mut validator = None;
        let mesh = matches!(tls.peer, Some(PeerValidation::Mesh(_)));
        let verifier = match &tls.peer {
            Some(PeerValidation::Mesh(check)) => {
                let identity = identity.ok_or(ContextError::NoIdentity)?.clone();
                PeerVerifier::new(identity, allowed_identities(check)).for_handshakes()
            }
            Some(peer) => {
                let validation = reader.validation(peer)?.unwrap_or_default();
                let compiled = Arc::new(Validator::compile(reader, &validation, false, for_server_name)?);
                validator = Some(Arc::clone(&compiled));
                HandshakeVerifier::new(compiled)
            }
            None => {
                HandshakeVerifier::new(Arc::new(Validator::nothing(false).with_server_name(for_server_name)))
            }
        };
        let builder = ClientConfig::builder_with_provider(params::provider(&tls.params))
            .with_protocol_versions(&params::versions(&tls.params))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut local = None;
        let mut config = match &tls.certificate {
            None => builder.with_no_client_auth(),
            Some(CertificateSource::WorkloadIdentity) => {
                let identity = identity.ok_or(ContextError::NoIdentity)?;
                builder.with_client_cert_resolver(Arc::new(SvidResolver(identity.clone())))
            }
            Some(CertificateSource::Given(given)) => {
                let first =
                    given.first().ok_or_else(|| ContextError::Refused("no certificate".to_owned()))?;
                let loaded = reader.certificate(first)?;
                local = Some(loaded.details);
                builder.with_client_cert_resolver(Arc::new(Fixed(loaded.key)))
            }
        };
        config.resumption = match tls.max_session_keys {
            // Identities of the mesh are judged anew at each handshake: see `crate::tls`.
            _ if mesh => Resumption::disabled(),
            Some(0) => Resumption::disabled(),
            keys => Resumption::in_memory_sessions(keys.unwrap_or(1) as usize),
        };
        let offered = |names: &[Name]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.alpn_protocols = offered(&tls.alpn);
        let tcp = Arc::new(config.clone());
        let http = if tls.alpn.is_empty() && !used.alpn.is_empty() {
            config.alpn_protocols = offered(&used.alpn);
            Arc::new(config)
        } else {
            Arc::clone(&tcp)
        };
        Ok(ClientContext { http, tcp, server_name: server_name(&tls.sni)?, validator, local })
    }

    /// The certificate that is shown, for `/certs`.
    pub fn certificate(&self) -> Option<&CertificateDetails> {
        self.local.as_deref()
    }

    /// Our certificate, for logs.
    pub fn local(&self) -> Option<Arc<CertificateDetails>> {
        self.local.clone()
    }

    /// The roots that servers are judged by, for `/certs`.
    pub fn roots(&self) -> Vec<CertificateDetails> {
        self.validator.as_ref().map(|validator| validator.roots()).unwrap_or_default()
    }
}

/// A name that can be asked for; `None` for the empty one.
fn server_name(sni: &str) -> Result<Option<ServerName<'static>>, ContextError> {
    if sni.is_empty() {
        return Ok(None);
    }
    let name = ServerName::try_from(sni.to_owned());
    name.map(Some).map_err(|_| ContextError::Refused(format!("sni: '{sni}' is not a server name")))
}

/// In the place of a name where none is asked for: an address is never sent.
pub fn nameless(address: Option<IpAddr>) -> ServerName<'static> {
    ServerName::from(address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)))
}
