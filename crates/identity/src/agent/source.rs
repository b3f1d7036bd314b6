//! Where an agent gets certificates: from the control plane over gRPC, or from the authority in its own process.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio::task::JoinSet;
use webpki::KeyUsage;

use super::follow::{Confirm, Follow, Upstream, follow_local};
use crate::authority::{Authority, AuthorityError};
use crate::bundle::TrustBundle;
use crate::channel::{AddressError, connect};
use crate::csr::{KeyError, PendingKey};
use crate::files::{FileError, read_secret};
use crate::service::{RequestError, request_certificate};
use crate::svid::{IdentityHandle, Svid, SvidError};
use crate::tls::{Present, control_client_config};
use crate::token::{JoinToken, TokenError};
use crate::verify::{AllowedIdentities, PeerVerifier, VerifyError};

/// Longest chain taken from an authority.
const MAX_CHAIN: usize = 8;

/// Why an attempt to obtain a certificate failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is neither a valid certificate nor an unused token.
    #[error("no proof of identity for {id}: {reason}; create a new join token and hand it to this workload")]
    NoProof {
        /// Whose certificate is wanted.
        id: SpiffeId,
        /// What was looked for.
        reason: String,
    },
    /// The token file could not be used.
    #[error(transparent)]
    TokenFile(#[from] FileError),
    /// The token file has no token in it.
    #[error("{}: {reason}", path.display())]
    TokenInFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: TokenError,
    },
    /// The control plane's address is malformed.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No answer, or a refusal.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The answer is not a certificate chain for our key.
    #[error("the certificate authority answered with an unusable chain: {0}")]
    Chain(String),
    /// The answer does not verify as what was asked for.
    #[error("the certificate authority answered with a chain that does not verify: {0}")]
    Verify(#[from] VerifyError),
    /// The answer is not an identity.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The TLS configuration could not be made.
    #[error("cannot configure TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority in this process failed.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Where the join token comes from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// There is none: only renewal is possible.
    None,
    /// This one, once.
    Value(JoinToken),
    /// A file of mode 0600 that is read whenever a token is needed, so that a new one can be put there.
    File(PathBuf),
}

/// The authority of a control plane.
pub struct RemoteAuthority {
    address: String,
    control: SpiffeId,
    lifetime: Duration,
    token: TokenSource,
    used_token: Option<JoinToken>,
    instance: String,
    trust_root: Option<TrustRoot>,
    confirm: Option<Confirm>,
}

/// A file with roots, and what was in it when it was read last.
#[derive(Debug)]
struct TrustRoot {
    path: PathBuf,
    seen: String,
}

impl fmt::Debug for RemoteAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteAuthority").field("address", &self.address).finish_non_exhaustive()
    }
}

impl RemoteAuthority {
    /// The authority at `address` (`host:port`), which must prove to be `control`. Certificates are asked for with
    /// `lifetime`; zero leaves it to the authority.
    pub fn new(address: String, control: SpiffeId, lifetime: Duration, token: TokenSource) -> Self {
        Self {
            address,
            control,
            lifetime,
            token,
            used_token: None,
            instance: String::new(),
            trust_root: None,
            confirm: None,
        }
    }

    /// With a name that tells it apart from others of the same identity, for instance the node id.
    #[must_use]
    pub fn named(mut self, instance: String) -> Self {
        self.instance = instance;
        self
    }

    /// With somebody else who uses the roots, too: new ones are confirmed when `confirm` is done with them.
    #[must_use]
    pub fn confirming(mut self, confirm: Confirm) -> Self {
        self.confirm = Some(confirm);
        self
    }

    /// With the file that its roots were read from, and what was in it: when the authority cannot be reached and the file has
    /// changed since, the roots are read from it again. So a proxy that was away while the root was replaced finds back.
    #[must_use]
    pub fn with_trust_root(mut self, path: PathBuf, seen: String) -> Self {
        self.trust_root = Some(TrustRoot { path, seen });
        self
    }

    fn reread_trust_root(&mut self, identity: &IdentityHandle) {
        let Some(file) = &mut self.trust_root else { return };
        let Ok(text) = std::fs::read_to_string(&file.path) else { return };
        if text == file.seen {
            return;
        }
        match TrustBundle::from_pem(identity.trust().trust_domain().clone(), &text) {
            Ok(bundle) => {
                tracing::warn!(file = %file.path.display(), "the authority is not known: the roots are read again");
                identity.replace_trust_bundle(bundle);
            }
            Err(error) => tracing::warn!(file = %file.path.display(), %error, "roots cannot be read again"),
        }
        file.seen = text;
    }

    /// With the certificate if it is valid; if there is none or it is not accepted, with the token.
    async fn obtain(
        &mut self,
        id: &SpiffeId,
        identity: &IdentityHandle,
        now: SystemTime,
    ) -> Result<Svid, AgentError> {
        let obtained = self.obtain_once(id, identity, now).await;
        if let Err(AgentError::Request(RequestError::Unreachable(_))) = &obtained {
            self.reread_trust_root(identity);
        }
        obtained
    }

    async fn obtain_once(
        &mut self,
        id: &SpiffeId,
        identity: &IdentityHandle,
        now: SystemTime,
    ) -> Result<Svid, AgentError> {
        let has_certificate = identity.svid().is_some_and(|svid| !svid.is_expired(now));
        if has_certificate {
            let error = match self.request(id, identity, None, now).await {
                Ok(svid) => return Ok(svid),
                Err(error) => error,
            };
            let maybe_not_accepted = matches!(
                error,
                AgentError::Request(RequestError::NotAccepted(_) | RequestError::Unreachable(_))
            );
            let token = if maybe_not_accepted { self.unused_token()? } else { None };
            return match token {
                Some(token) => self.request(id, identity, Some(token), now).await,
                None => Err(error),
            };
        }
        match self.unused_token()? {
            Some(token) => self.request(id, identity, Some(token), now).await,
            // The kernel tells the authority whose process this is.
            None if self.address.starts_with("unix:") => self.request(id, identity, None, now).await,
            None => Err(AgentError::NoProof { id: id.clone(), reason: self.missing_token() }),
        }
    }

    /// One call on a connection of its own, so that the peer sees the certificate of the moment.
    async fn request(
        &mut self,
        id: &SpiffeId,
        identity: &IdentityHandle,
        token: Option<JoinToken>,
        now: SystemTime,
    ) -> Result<Svid, AgentError> {
        let present = if token.is_some() { Present::Nothing } else { Present::CurrentSvid };
        let tls = control_client_config(identity, self.control.clone(), present)?;
        let channel = connect(&self.address, tls)?;
        let pending = PendingKey::generate(id)?;
        let chain = request_certificate(channel, pending.csr_pem(), self.lifetime, token.as_ref()).await?;
        if token.is_some() {
            self.used_token = token;
        }
        check(pending.into_svid(without_root(&chain)?)?, id, identity, now)
    }

    fn unused_token(&self) -> Result<Option<JoinToken>, AgentError> {
        let token = match &self.token {
            TokenSource::None => None,
            TokenSource::Value(token) => Some(token.clone()),
            TokenSource::File(path) => match read_secret(path)? {
                None => None,
                Some(text) => Some(
                    JoinToken::parse(&text)
                        .map_err(|reason| AgentError::TokenInFile { path: path.clone(), reason })?,
                ),
            },
        };
        Ok(token.filter(|token| self.used_token.as_ref() != Some(token)))
    }

    fn missing_token(&self) -> String {
        match (&self.token, &self.used_token) {
            (TokenSource::None, _) => "no join token was given and there is no valid certificate".to_owned(),
            (TokenSource::File(path), None) => format!("there is no join token file {}", path.display()),
            (TokenSource::File(path), Some(_)) => {
                format!(
                    "the join token in {} was already used and the certificate has expired",
                    path.display()
                )
            }
            (TokenSource::Value(_), _) => {
                "the join token was already used and the certificate has expired".to_owned()
            }
        }
    }
}

/// Where certificates come from.
#[derive(Debug)]
pub enum SvidSource {
    /// From a control plane.
    Remote(RemoteAuthority),
    /// From the authority in this process, with this lifetime: for the control plane's own certificate.
    Local {
        /// The authority.
        authority: Arc<Authority>,
        /// How long certificates live.
        lifetime: Duration,
    },
}

impl SvidSource {
    /// Whether the authority is in another process.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// Starts what follows the authority, and tells `upstream` of it.
    pub(super) fn follow(
        &self,
        identity: &IdentityHandle,
        upstream: watch::Sender<Upstream>,
        tasks: &mut JoinSet<()>,
    ) {
        match self {
            Self::Remote(remote) => {
                let follow = Follow {
                    address: remote.address.clone(),
                    control: remote.control.clone(),
                    identity: identity.clone(),
                    instance: remote.instance.clone(),
                    confirm: remote.confirm.clone(),
                };
                tasks.spawn(follow.run(upstream));
            }
            Self::Local { authority, .. } => {
                tasks.spawn(follow_local(Arc::clone(authority), identity.clone(), upstream));
            }
        }
    }

    pub(super) async fn obtain(
        &mut self,
        id: &SpiffeId,
        identity: &IdentityHandle,
        now: SystemTime,
    ) -> Result<Svid, AgentError> {
        match self {
            Self::Remote(remote) => remote.obtain(id, identity, now).await,
            Self::Local { authority, lifetime } => {
                Ok(authority.issue_server_svid(id, &crate::CONTROL_DNS_NAMES, *lifetime, now)?)
            }
        }
    }
}

/// PEM texts (each may hold several certificates) to a chain without self-signed ends: peers have the root already.
fn without_root(texts: &[String]) -> Result<Vec<CertificateDer<'static>>, AgentError> {
    let mut chain = Vec::new();
    for certificate in texts.iter().flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes())) {
        let certificate = certificate.map_err(|e| AgentError::Chain(e.to_string()))?;
        if chain.len() >= MAX_CHAIN {
            return Err(AgentError::Chain(format!("more than {MAX_CHAIN} certificates")));
        }
        let parsed = crate::certificate::parse(&certificate).map_err(|e| AgentError::Chain(e.to_string()))?;
        let self_issued = parsed.subject().as_raw() == parsed.issuer().as_raw();
        drop(parsed);
        if chain.is_empty() || !self_issued {
            chain.push(certificate);
        }
    }
    Ok(chain)
}

/// What was obtained is what peers will accept as `id`, judged as they will judge it.
fn check(svid: Svid, id: &SpiffeId, identity: &IdentityHandle, now: SystemTime) -> Result<Svid, AgentError> {
    let verifier = PeerVerifier::new(identity.clone(), AllowedIdentities::only(id.clone()));
    let [leaf, intermediates @ ..] = svid.chain() else { return Err(SvidError::Empty.into()) };
    verifier.verify(leaf, intermediates, KeyUsage::server_auth(), now)?;
    Ok(svid)
}
