//! Judges the certificate of a peer by what a validation context says.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use ripstop_model::tls::CertificateValidation;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DistinguishedName, OtherError};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::ContextError;
use super::facts::CertificateDetails;
use super::material::{Reader, certificates, content};
use super::san::{SanMatcher, is_for};
use crate::certificate::parse;
use crate::handshake::Judge;
use crate::tls;

/// Longest chain unless told, as in BoringSSL.
const DEFAULT_DEPTH: u32 = 100;

/// How often the time is moved where expired certificates are accepted: once for each certificate of a chain.
const MAX_TIME_TRAVELS: usize = 8;

/// Why a peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No trusted root stands behind it, or it is malformed.
    Chain,
    /// It is out of its time.
    Expired,
    /// It was revoked.
    Revoked,
    /// None of its names is asked for.
    Name,
    /// Neither it nor its key is among those asked for.
    Hash,
}

impl Refusal {
    /// The kind of refusal as a metric label, one of [`crate::verify::REASONS`].
    pub fn label(self) -> &'static str {
        match self {
            Refusal::Chain => "untrusted_chain",
            Refusal::Expired => "expired",
            Refusal::Revoked => "revoked",
            Refusal::Name => "identity_not_allowed",
            Refusal::Hash => "hash",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Chain => "verify cert failed: certificate chain is not accepted",
            Refusal::Expired => "verify cert failed: certificate has expired",
            Refusal::Revoked => "verify cert failed: certificate revoked",
            Refusal::Name => "verify cert failed: SAN matcher",
            Refusal::Hash => "verify cert failed: cert hash and spki",
        })
    }
}

impl std::error::Error for Refusal {}

/// Finds our reason in the error of a handshake that failed because the peer was refused.
pub fn refusal(error: &rustls::Error) -> Option<Refusal> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref::<Refusal>().copied()
        }
        _ => None,
    }
}

/// A compiled [`CertificateValidation`].
#[derive(Debug)]
pub struct Validator {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    follows_chain: bool,
    crls: Vec<CertRevocationList<'static>>,
    only_leaf_revocation: bool,
    spki_hashes: Vec<[u8; 32]>,
    certificate_hashes: Vec<[u8; 32]>,
    names: Vec<SanMatcher>,
    allow_expired: bool,
    accept_untrusted: bool,
    max_depth: u32,
    hints: Vec<DistinguishedName>,
    /// Server side: whether a client must present a certificate.
    mandatory: bool,
    /// Client side: whether the certificate must be for the name that was asked for, in place of `names`.
    for_server_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Validator {
    /// Reads and compiles what `validation` names.
    pub fn compile(
        reader: &mut Reader<'_>,
        validation: &CertificateValidation,
        required: bool,
        for_server_name: bool,
    ) -> Result<Validator, ContextError> {
        if validation.trusted_ca.is_none() && !validation.subject_alt_names.is_empty() {
            return Err(ContextError::Refused(
                "matching subject alternative names without trusted_ca is insecure".to_owned(),
            ));
        }
        let mut roots = Vec::new();
        let mut crls = Vec::new();
        if let Some(source) = &validation.trusted_ca {
            let pem = reader.bytes(source)?;
            roots = certificates(source, &pem)?;
            if roots.is_empty() {
                return Err(content(source, "there is no certificate in it"));
            }
            read_crls(&pem, &mut crls).map_err(|why| content(source, &why))?;
        }
        if let Some(source) = &validation.crl {
            let pem = reader.bytes(source)?;
            let before = crls.len();
            read_crls(&pem, &mut crls).map_err(|why| content(source, &why))?;
            if crls.len() == before {
                return Err(content(source, "there is no revocation list in it"));
            }
        }
        let anchor = |root: &CertificateDer<'static>| {
            webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned())
        };
        let anchors = roots.iter().map(anchor).collect::<Result<Vec<_>, _>>();
        let anchors = anchors.map_err(|error| ContextError::Refused(format!("trusted_ca: {error}")))?;
        let hints = anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect();
        let others = !validation.spki_hashes.is_empty()
            || !validation.certificate_hashes.is_empty()
            || !validation.subject_alt_names.is_empty();
        Ok(Validator {
            follows_chain: validation.trusted_ca.is_some(),
            anchors,
            roots,
            crls,
            only_leaf_revocation: validation.only_verify_leaf_crl,
            spki_hashes: validation.spki_hashes.clone(),
            certificate_hashes: validation.certificate_hashes.clone(),
            names: validation.subject_alt_names.iter().map(SanMatcher::compile).collect::<Result<_, _>>()?,
            allow_expired: validation.allow_expired,
            accept_untrusted: validation.accept_untrusted,
            max_depth: validation.max_verify_depth.unwrap_or(DEFAULT_DEPTH),
            hints: if validation.suppress_client_ca_list { Vec::new() } else { hints },
            mandatory: required || (others && !validation.accept_untrusted),
            for_server_name,
            algorithms: tls::provider().signature_verification_algorithms,
        })
    }

    /// Accepts whoever comes.
    pub fn nothing(required: bool) -> Validator {
        Validator {
            roots: Vec::new(),
            anchors: Vec::new(),
            follows_chain: false,
            crls: Vec::new(),
            only_leaf_revocation: false,
            spki_hashes: Vec::new(),
            certificate_hashes: Vec::new(),
            names: Vec::new(),
            allow_expired: false,
            accept_untrusted: false,
            max_depth: DEFAULT_DEPTH,
            hints: Vec::new(),
            mandatory: required,
            for_server_name: false,
            algorithms: tls::provider().signature_verification_algorithms,
        }
    }

    /// Whether the certificate must be for the name that was asked for.
    pub fn with_server_name(mut self, for_server_name: bool) -> Validator {
        self.for_server_name = for_server_name;
        self
    }

    /// Whether anything of a certificate is judged.
    pub fn judges(&self) -> bool {
        self.follows_chain || !self.spki_hashes.is_empty() || !self.certificate_hashes.is_empty()
    }

    /// What the roots say, for `/certs`.
    pub fn roots(&self) -> Vec<CertificateDetails> {
        self.roots.iter().filter_map(|root| CertificateDetails::read(root).ok()).collect()
    }

    /// Whether a chain is good at `now`.
    pub fn is_good(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> bool {
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(since_1970);
        let Some((leaf, rest)) = chain.split_first() else { return false };
        self.judges() && self.judge(leaf, rest, &KeyUsage::client_auth(), now, None).is_ok()
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: &KeyUsage,
        now: UnixTime,
        server: Option<&ServerName<'_>>,
    ) -> Result<(), Refusal> {
        if self.follows_chain {
            self.judge_chain(leaf, intermediates, usage, now)?;
        }
        let server = server.filter(|_| self.for_server_name);
        if server.is_some() || !self.names.is_empty() {
            let details = CertificateDetails::read(leaf).map_err(|_| Refusal::Chain)?;
            let fits = match server {
                Some(server) => is_for(&details, server),
                None => self.names.iter().any(|name| name.matches(&details)),
            };
            if !fits {
                return Err(Refusal::Name);
            }
        }
        if self.spki_hashes.is_empty() && self.certificate_hashes.is_empty() {
            return Ok(());
        }
        let parsed = parse(leaf).map_err(|_| Refusal::Chain)?;
        let among = |hashes: &[[u8; 32]], bytes: &[u8]| {
            let hash = digest::digest(&digest::SHA256, bytes);
            hashes.iter().any(|wanted| wanted.as_slice() == hash.as_ref())
        };
        let known =
            among(&self.spki_hashes, parsed.public_key().raw) || among(&self.certificate_hashes, leaf);
        if known { Ok(()) } else { Err(Refusal::Hash) }
    }

    fn judge_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: &KeyUsage,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        // A certificate that is trusted itself needs nobody behind it, be it a CA or not.
        if self.roots.iter().any(|root| root.as_ref() == leaf.as_ref()) {
            return self.in_its_time(leaf, now);
        }
        let certificate = EndEntityCert::try_from(leaf).map_err(|_| Refusal::Chain)?;
        let crls: Vec<&CertRevocationList<'_>> = self.crls.iter().collect();
        let mut at = now;
        for _ in 0..MAX_TIME_TRAVELS {
            let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
                let depth = match self.only_leaf_revocation {
                    true => RevocationCheckDepth::EndEntity,
                    false => RevocationCheckDepth::Chain,
                };
                let expiration = match self.allow_expired {
                    true => ExpirationPolicy::Ignore,
                    false => ExpirationPolicy::Enforce,
                };
                options
                    .with_depth(depth)
                    .with_status_policy(UnknownStatusPolicy::Deny)
                    .with_expiration_policy(expiration)
                    .build()
            });
            let max_depth = self.max_depth as usize;
            let path_is_short = |path: &webpki::VerifiedPath<'_>| {
                if path.intermediate_certificates().count() < max_depth {
                    Ok(())
                } else {
                    Err(webpki::Error::MaximumPathDepthExceeded)
                }
            };
            let verified = certificate.verify_for_usage(
                self.algorithms.all,
                &self.anchors,
                intermediates,
                at,
                *usage,
                revocation,
                Some(&path_is_short),
            );
            at = match verified {
                Ok(_) => return Ok(()),
                Err(webpki::Error::CertExpired { not_after, .. }) if self.allow_expired => not_after,
                Err(webpki::Error::CertNotValidYet { not_before, .. }) if self.allow_expired => not_before,
                Err(error) => {
                    tracing::debug!(%error, "certificate chain refused");
                    return Err(match error {
                        webpki::Error::CertExpired { .. } => Refusal::Expired,
                        webpki::Error::CertRevoked => Refusal::Revoked,
                        _ => Refusal::Chain,
                    });
                }
            };
        }
        Err(Refusal::Chain)
    }

    fn in_its_time(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Refusal> {
        let parsed = parse(leaf).map_err(|_| Refusal::Chain)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        let inside = (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
        if inside || self.allow_expired { Ok(()) } else { Err(Refusal::Expired) }
    }

    fn outcome(&self, judged: Result<(), Refusal>) -> Result<(), rustls::Error> {
        match judged {
            // The alerts that follow from these are those that Envoy sends.
            Err(refusal) if !self.accept_untrusted => Err(rustls::Error::InvalidCertificate(match refusal {
                Refusal::Chain => CertificateError::UnknownIssuer,
                Refusal::Expired => CertificateError::Expired,
                Refusal::Revoked => CertificateError::Revoked,
                Refusal::Name | Refusal::Hash => CertificateError::Other(OtherError(Arc::new(refusal))),
            })),
            _ => Ok(()),
        }
    }
}

fn read_crls(pem: &[u8], crls: &mut Vec<CertRevocationList<'static>>) -> Result<(), String> {
    for der in CertificateRevocationListDer::pem_slice_iter(pem) {
        let der = der.map_err(|error| format!("it is not PEM: {error}"))?;
        let list =
            OwnedCertRevocationList::from_der(&der).map_err(|error| format!("revocation list: {error}"))?;
        crls.push(list.into());
    }
    Ok(())
}

impl Judge for Validator {
    fn judge_peer(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        asked: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.outcome(self.judge(leaf, intermediates, &usage, now, asked))
    }

    fn wants_client_certificate(&self) -> bool {
        self.mandatory
    }

    fn hints(&self) -> &[DistinguishedName] {
        &self.hints
    }
}
