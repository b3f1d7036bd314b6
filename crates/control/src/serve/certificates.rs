//! The authority of a running control plane, what it gives out, and the control plane's own certificate. Once in a while it is
//! looked at what proxies have proved, and what follows from it is done: see `ripstop_identity::succession`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::CONTROL_DNS_NAMES;
use ripstop_identity::agent::{Agent, SvidSource};
use ripstop_identity::attest::UnixUsers;
use ripstop_identity::authority::{Authority, AuthorityConfig};
use ripstop_identity::clock::Clock;
use ripstop_identity::files::write_public;
use ripstop_identity::followers::Followers;
use ripstop_identity::issuance::{Issuance, IssuancePolicy};
use ripstop_identity::service::{CertificateServer, TrustServer};
use ripstop_identity::succession::{Decision, Patience, Phase, Proof};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::token::TokenStore;
use ripstop_model::{SpiffeId, TrustDomain};

use crate::resource::Mesh;

use super::federation::Federated;
use super::secrets::SecretMaker;
use super::state_dir::StateDir;
use super::{ControlError, control_identity};

/// How often it is looked at what proxies have proved.
const PROOF_INTERVAL: Duration = Duration::from_millis(250);
/// How often it is looked whether a CA is late, or its files are others.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Authority, issuance and own identity.
pub(super) struct Certificates {
    authority: Arc<Authority>,
    followers: Followers,
    lifetime: Duration,
    trust_root: PathBuf,
    federation: Federated,
    tokens: Arc<TokenStore>,
    issuance: Arc<Issuance>,
    identity: IdentityHandle,
    agent: Agent,
    clock: Clock,
}

impl Certificates {
    /// Opens the authority or makes one, tells proxies its root through a file, and certifies the control plane itself.
    pub(super) async fn open(
        state: &StateDir,
        trust_domain: &TrustDomain,
        mesh: &Mesh,
        clock: Clock,
    ) -> Result<Certificates, ControlError> {
        let lifetime = mesh.certificates.lifetime;
        let config = AuthorityConfig {
            patience: patience(mesh),
            ca: mesh.certificates.ca.clone(),
            key: mesh.certificates.key,
            ..AuthorityConfig::new(state.authority(), trust_domain.clone())
        };
        let authority = Arc::new(Authority::open(config, clock.now())?);
        let federation = Federated::new(mesh, authority.trust_bundle());
        authority.trust_also(federation.trust()).map_err(ControlError::Authority)?;
        write_public(&state.trust_root(), authority.trust_bundle().to_pem().as_bytes())?;
        let tokens = Arc::new(TokenStore::new());
        let policy = IssuancePolicy {
            default_lifetime: lifetime,
            max_lifetime: lifetime,
            ..IssuancePolicy::default()
        };
        // Their identities are of the trust domain that is in force.
        let in_force = |(uid, id): &(u32, SpiffeId)| Some((*uid, id.in_domain(trust_domain).ok()?));
        let users = UnixUsers::new(mesh.certificates.unix_users.iter().filter_map(in_force));
        let issuance = Issuance::new(Arc::clone(&authority), Arc::clone(&tokens), policy);
        let issuance = Arc::new(issuance.with_attestor(users));
        let identity = IdentityHandle::new(authority.trust_bundle());
        let source = SvidSource::Local { authority: Arc::clone(&authority), lifetime };
        let id = control_identity(trust_domain)?;
        let mut agent = Agent::new(id, source, identity.clone(), clock.clone(), fastrand::Rng::new());
        if !agent.renew_now().await {
            let reason = agent.status().borrow().last_error.clone();
            return Err(ControlError::Certificate(reason.unwrap_or_else(|| "no reason is known".to_owned())));
        }
        let (followers, trust_root) = (Followers::default(), state.trust_root());
        Ok(Certificates {
            authority,
            followers,
            lifetime,
            trust_root,
            federation,
            tokens,
            issuance,
            identity,
            agent,
            clock,
        })
    }

    /// Who signs.
    pub(super) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Join tokens.
    pub(super) fn tokens(&self) -> &Arc<TokenStore> {
        &self.tokens
    }

    /// Who gets what.
    pub(super) fn issuance(&self) -> &Arc<Issuance> {
        &self.issuance
    }

    /// The control plane's own identity.
    pub(super) fn identity(&self) -> &IdentityHandle {
        &self.identity
    }

    /// The time of all of this.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who follows the authority.
    pub(super) fn followers(&self) -> &Followers {
        &self.followers
    }

    /// The gRPC services of the authority.
    pub(super) fn services(&self) -> (CertificateServer, TrustServer) {
        let announced = self.authority.announced();
        (
            CertificateServer::new(Arc::clone(&self.issuance), self.clock.clone()),
            TrustServer::new(announced, self.followers.clone(), self.clock.clone()),
        )
    }

    /// What makes the secrets of proxies that have no agent.
    pub(super) fn secret_maker(&self) -> SecretMaker {
        SecretMaker {
            authority: Arc::clone(&self.authority),
            lifetime: self.lifetime,
            clock: self.clock.clone(),
        }
    }

    /// Renews the control plane's own certificate and looks after the CA for ever.
    pub(super) fn keep(self) -> impl Future<Output = ()> + Send {
        let keeper = Keeper {
            authority: self.authority,
            followers: self.followers,
            identity: self.identity,
            lifetime: self.lifetime,
            trust_root: self.trust_root,
            clock: self.clock,
        };
        let agent = self.agent.run(std::future::pending());
        let federation = self.federation.follow(Arc::clone(&keeper.authority));
        async move {
            tokio::join!(agent, keeper.keep(), federation);
        }
    }
}

/// Looks after the CA.
struct Keeper {
    authority: Arc<Authority>,
    followers: Followers,
    identity: IdentityHandle,
    lifetime: Duration,
    trust_root: PathBuf,
    clock: Clock,
}

impl Keeper {
    async fn keep(self) {
        let mut announced = self.authority.announced();
        let mut proofs = tokio::time::interval(PROOF_INTERVAL);
        let mut maintenance = tokio::time::interval(MAINTENANCE_INTERVAL);
        for ticks in [&mut proofs, &mut maintenance] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                Ok(()) = announced.changed() => {
                    let roots = announced.borrow_and_update().trust.bundle().to_pem();
                    if let Err(error) = write_public(&self.trust_root, roots.as_bytes()) {
                        tracing::error!(%error, "new roots cannot be written: proxies that start now do not know them");
                    }
                }
                _ = proofs.tick() => self.advance(),
                _ = maintenance.tick() => self.authority.maintain(self.clock.now()),
            }
        }
    }

    /// Does what follows from the proof. The control plane shows a certificate of the old issuer for as long as it can, since
    /// proxies that come back may know the old root only; it shows one of the new before the old root goes.
    fn advance(&self) {
        let now = self.clock.now();
        let mut proofs = self.followers.proofs(now);
        proofs.push(self.own_proof());
        let decision = self.authority.decide(&proofs, now);
        if decision == Decision::Begin(Phase::Retire) && !self.renew() {
            return;
        }
        if let Err(error) = self.authority.carry_out(&decision, now) {
            tracing::error!(%error, "a step of replacing the CA cannot be done; it is tried again");
        }
    }

    fn own_proof(&self) -> Proof {
        let announced = self.authority.announced();
        let announced = announced.borrow();
        Proof {
            who: "the control plane".to_owned(),
            trusts: Some(self.identity.trust().version()),
            issued_by: Some(announced.issuer.clone()),
            connected: true,
        }
    }

    fn renew(&self) -> bool {
        let Some(svid) = self.identity.svid() else { return false };
        let (id, now) = (svid.id(), self.clock.now());
        match self.authority.issue_server_svid(id, &CONTROL_DNS_NAMES, self.lifetime, now) {
            Ok(svid) => {
                self.identity.publish(svid);
                true
            }
            Err(error) => {
                tracing::error!(%error, "the control plane cannot certify itself below the new root");
                false
            }
        }
    }
}

/// How patient a succession is; `RIPSTOP_RETURN_SECONDS` sets for how long proxies are waited for after a start, for tests and
/// for those whose proxies come back sooner.
fn patience(mesh: &Mesh) -> Patience {
    let seconds = std::env::var("RIPSTOP_RETURN_SECONDS").ok().and_then(|text| text.parse().ok());
    let patience = Patience::default();
    let asked = mesh.control.bundle_endpoint.map_or(Duration::ZERO, |_| mesh.control.bundle_refresh * 5 / 2);
    Patience {
        after_start: seconds.map_or(patience.after_start, Duration::from_secs),
        distribute: asked,
        ..patience
    }
}
