//! The server side of a context: certificates, one of which is chosen by what the client asks for and can do.

use std::sync::Arc;
use std::time::SystemTime;

use ripstop_model::tls::{
    CertificateSource, PeerCheck, PeerValidation, ServerResumption, TlsParams, TlsServer,
};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use rustls::{CommonState, ServerConfig, SignatureScheme};

use super::ContextError;
use super::facts::{CertificateDetails, TlsFacts};
use super::material::{Loaded, Reader};
use super::params;
use super::san::dns_name_matches;
use super::tickets::ticketer;
use super::validation::Validator;
use crate::handshake::HandshakeVerifier;
use crate::svid::{IdentityHandle, SvidResolver};
use crate::verify::{AllowedIdentities, PeerVerifier};

/// Sessions that a server keeps for clients without tickets.
const MAX_SESSIONS: usize = 1024;

/// A compiled [`TlsServer`].
pub struct ServerContext {
    choices: Vec<Choice>,
    require_sni: bool,
    full_scan: bool,
    validator: Option<Arc<Validator>>,
    /// Whether clients are judged as identities of the mesh.
    mesh: bool,
    identity: Option<IdentityHandle>,
}

/// One certificate, and what is spoken with it.
struct Choice {
    config: Arc<ServerConfig>,
    /// The same without ALPN, for clients with which no protocol is shared: as in Envoy, that is no error.
    without_alpn: Arc<ServerConfig>,
    /// `None`: the certificate of the workload, which changes by itself.
    details: Option<Arc<CertificateDetails>>,
    ecdsa: bool,
}

/// What a handshake goes on with.
pub struct Chosen {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// Our certificate.
    pub local: Option<Arc<CertificateDetails>>,
    server_name: Option<String>,
}

/// Always the same certificate.
#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// What all choices of a context share.
struct Shared<'a> {
    tls: &'a TlsServer,
    verifier: Option<Arc<HandshakeVerifier>>,
    tickets: Option<Arc<dyn ProducesTickets>>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl ServerContext {
    /// Reads and compiles what `tls` names.
    pub fn compile(
        reader: &mut Reader<'_>,
        tls: &TlsServer,
        identity: Option<&IdentityHandle>,
    ) -> Result<ServerContext, ContextError> {
        let mut mesh = None;
        let mut validator = None;
        let verifier = match &tls.peer {
            Some(PeerValidation::Mesh(check)) => {
                let verifier = PeerVerifier::new(
                    identity.ok_or(ContextError::NoIdentity)?.clone(),
                    allowed_identities(check),
                );
                mesh = Some(());
                let verifier = match tls.require_client_certificate {
                    true => verifier,
                    false => verifier.client_certificate_optional(),
                };
                Some(verifier.for_handshakes())
            }
            Some(peer) => {
                let validation = reader.validation(peer)?.unwrap_or_default();
                let required = tls.require_client_certificate;
                let compiled = Arc::new(Validator::compile(reader, &validation, required, false)?);
                validator = Some(Arc::clone(&compiled));
                let asked = compiled.judges() || required || validation.accept_untrusted;
                asked.then(|| HandshakeVerifier::new(compiled))
            }
            None if tls.require_client_certificate => {
                Some(HandshakeVerifier::new(Arc::new(Validator::nothing(true))))
            }
            None => None,
        };
        let ServerResumption { stateless, stateful, timeout } = tls.resumption;
        let lifetime = timeout.unwrap_or(ServerResumption::DEFAULT_TIMEOUT);
        // Identities of the mesh are judged anew at each handshake: see `crate::tls`.
        let resumes = mesh.is_none();
        let sessions: Arc<dyn StoresServerSessions> = match stateful && resumes {
            true => ServerSessionMemoryCache::new(MAX_SESSIONS),
            false => Arc::new(NoServerSessionStorage {}),
        };
        let tickets = if stateless && resumes { Some(ticketer(lifetime)?) } else { None };
        let shared = Shared { tls, verifier, tickets, sessions };
        let choices = match &tls.certificates {
            CertificateSource::WorkloadIdentity => {
                let identity = identity.ok_or(ContextError::NoIdentity)?;
                let resolver = Arc::new(SvidResolver(identity.clone()));
                vec![choice(&shared, &tls.params, resolver, None, true)?]
            }
            CertificateSource::Given(given) => {
                let loaded =
                    given.iter().map(|one| reader.certificate(one)).collect::<Result<Vec<_>, _>>()?;
                distinct(&loaded)?;
                let fixed = |one: Loaded| {
                    let params = merged(&tls.params, one.params.as_ref());
                    choice(&shared, &params, Arc::new(Fixed(one.key)), Some(one.details), one.ecdsa)
                };
                loaded.into_iter().map(fixed).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(ServerContext {
            choices,
            require_sni: tls.require_sni,
            full_scan: tls.full_scan_on_sni_mismatch,
            validator,
            mesh: mesh.is_some(),
            identity: identity.cloned(),
        })
    }

    /// What a handshake goes on with; `None`: the client names no server where it must.
    pub fn choose(&self, hello: &ClientHello<'_>) -> Option<Chosen> {
        let name = hello.server_name();
        if self.require_sni && name.is_none() {
            return None;
        }
        let choice = self.certificate(name, takes_ecdsa(hello.signature_schemes()))?;
        let shares_protocol = hello.alpn().is_none_or(|mut offered| {
            offered.any(|protocol| choice.config.alpn_protocols.iter().any(|ours| ours == protocol))
        });
        let local = choice.details.clone().or_else(|| {
            let svid = self.identity.as_ref()?.svid()?;
            CertificateDetails::read(svid.chain().first()?).ok().map(Arc::new)
        });
        Some(Chosen {
            config: Arc::clone(if shares_protocol { &choice.config } else { &choice.without_alpn }),
            local,
            server_name: name.map(str::to_ascii_lowercase),
        })
    }

    /// Envoy's order: the name itself, a wildcard for it, and the first certificate for names that none is for. Of those
    /// for a name, one with an elliptic curve where the client takes it.
    fn certificate(&self, name: Option<&str>, takes_ecdsa: bool) -> Option<&Choice> {
        let names = |choice: &Choice, fits: &dyn Fn(&str) -> bool| {
            choice.details.as_ref().is_some_and(|details| server_names(details).any(fits))
        };
        let best = |candidates: &mut dyn Iterator<Item = &Choice>| -> Option<usize> {
            let mut first = None;
            for candidate in candidates {
                let at = self.choices.iter().position(|choice| std::ptr::eq(choice, candidate));
                if candidate.ecdsa == takes_ecdsa {
                    return at;
                }
                // One with RSA will do for every client.
                if !candidate.ecdsa {
                    first = first.or(at);
                }
            }
            first
        };
        if let Some(name) = name {
            let exact =
                &mut self.choices.iter().filter(|one| names(one, &|known| known.eq_ignore_ascii_case(name)));
            let wild =
                &mut self.choices.iter().filter(|one| names(one, &|known| dns_name_matches(name, known)));
            if let Some(at) = best(exact).or_else(|| best(wild)) {
                return self.choices.get(at);
            }
        }
        if self.full_scan
            && let Some(at) = best(&mut self.choices.iter())
        {
            return self.choices.get(at);
        }
        self.choices.first()
    }

    /// What is known of a connection that was accepted with `chosen`.
    pub fn facts(&self, connection: &CommonState, chosen: Chosen) -> TlsFacts {
        let chain = connection.peer_certificates().unwrap_or_default();
        let validated = match &self.validator {
            Some(validator) => validator.is_good(chain, SystemTime::now()),
            None => self.mesh,
        };
        TlsFacts::new(connection, chosen.local, validated).asked_for(chosen.server_name)
    }

    /// The certificates that are shown, for `/certs`.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDetails> {
        self.choices.iter().filter_map(|choice| choice.details.as_deref())
    }

    /// The roots that clients are judged by, for `/certs`.
    pub fn roots(&self) -> Vec<CertificateDetails> {
        self.validator.as_ref().map(|validator| validator.roots()).unwrap_or_default()
    }
}

pub(super) fn allowed_identities(check: &PeerCheck) -> AllowedIdentities {
    match check.allowed.as_slice() {
        [] => AllowedIdentities::AnyInTrustDomain,
        ids => AllowedIdentities::Exact(ids.into()),
    }
}

fn choice(
    shared: &Shared<'_>,
    params: &TlsParams,
    resolver: Arc<dyn ResolvesServerCert>,
    details: Option<Arc<CertificateDetails>>,
    ecdsa: bool,
) -> Result<Choice, ContextError> {
    let builder = ServerConfig::builder_with_provider(params::provider(params))
        .with_protocol_versions(&params::versions(params))?;
    let mut config = match &shared.verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::<HandshakeVerifier>::clone(verifier)),
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(resolver);
    config.ignore_client_order = !shared.tls.prefer_client_ciphers;
    config.session_storage = Arc::clone(&shared.sessions);
    match &shared.tickets {
        Some(tickets) => config.ticketer = Arc::clone(tickets),
        None => config.send_tls13_tickets = 0,
    }
    let without_alpn = Arc::new(config.clone());
    config.alpn_protocols = shared.tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Choice { config: Arc::new(config), without_alpn, details, ecdsa })
}

/// What holds for a certificate: what it says itself, else what the context says.
fn merged(context: &TlsParams, own: Option<&TlsParams>) -> TlsParams {
    let Some(own) = own else { return context.clone() };
    let list = |own: &[_], context: &[_]| if own.is_empty() { context.to_vec() } else { own.to_vec() };
    TlsParams {
        min_version: own.min_version.or(context.min_version),
        max_version: own.max_version.or(context.max_version),
        cipher_suites: list(&own.cipher_suites, &context.cipher_suites),
        curves: if own.curves.is_empty() { context.curves.clone() } else { own.curves.clone() },
    }
}

/// The names by which a certificate is chosen: its DNS names, or its common name when it has none.
fn server_names(details: &CertificateDetails) -> impl Iterator<Item = &str> {
    let common = details.common_name.as_deref().filter(|_| details.dns_names.is_empty());
    details.dns_names.iter().map(String::as_str).chain(common)
}

/// As in Envoy, of two certificates for one name one has RSA and the other an elliptic curve.
fn distinct(loaded: &[Loaded]) -> Result<(), ContextError> {
    for (at, one) in loaded.iter().enumerate() {
        for name in server_names(&one.details) {
            let same =
                |other: &&Loaded| other.ecdsa == one.ecdsa && server_names(&other.details).any(|n| n == name);
            if loaded[..at].iter().any(|other| same(&other)) {
                let kind = if one.ecdsa { "ECDSA" } else { "RSA" };
                return Err(ContextError::Refused(format!(
                    "at most one {kind} certificate may be given for '{name}'"
                )));
            }
        }
    }
    Ok(())
}

fn takes_ecdsa(schemes: &[SignatureScheme]) -> bool {
    schemes.iter().any(|scheme| {
        matches!(
            scheme,
            SignatureScheme::ECDSA_NISTP256_SHA256
                | SignatureScheme::ECDSA_NISTP384_SHA384
                | SignatureScheme::ECDSA_NISTP521_SHA512
        )
    })
}
