//! The authority of a running control plane, what it gives out, and the control plane's own certificate.

use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::agent::{Agent, SvidSource};
use ripstop_identity::authority::Authority;
use ripstop_identity::clock::Clock;
use ripstop_identity::files::write_public;
use ripstop_identity::issuance::{Issuance, IssuancePolicy};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::token::TokenStore;
use ripstop_model::TrustDomain;

use super::state_dir::StateDir;
use super::{ControlError, control_identity};

/// Authority, issuance and own identity.
pub(super) struct Certificates {
    authority: Arc<Authority>,
    tokens: Arc<TokenStore>,
    issuance: Arc<Issuance>,
    identity: IdentityHandle,
    agent: Agent,
    clock: Clock,
}

impl Certificates {
    /// Opens the authority or makes one, tells proxies its root through a file, and certifies the control plane itself.
    /// Workload certificates live for `lifetime` unless a shorter one is asked for.
    pub(super) async fn open(
        state: &StateDir,
        trust_domain: &TrustDomain,
        lifetime: Duration,
        clock: Clock,
    ) -> Result<Certificates, ControlError> {
        let authority =
            Arc::new(Authority::open_or_create(state.authority(), trust_domain.clone(), clock.now())?);
        write_public(&state.trust_root(), authority.trust_bundle().to_pem().as_bytes())?;
        let tokens = Arc::new(TokenStore::new());
        let policy = IssuancePolicy {
            default_lifetime: lifetime,
            max_lifetime: lifetime,
            ..IssuancePolicy::default()
        };
        let issuance = Arc::new(Issuance::new(Arc::clone(&authority), Arc::clone(&tokens), policy));
        let identity = IdentityHandle::new(authority.trust_bundle().clone());
        let source = SvidSource::Local { authority: Arc::clone(&authority), lifetime };
        let id = control_identity(trust_domain)?;
        let mut agent = Agent::new(id, source, identity.clone(), clock.clone(), fastrand::Rng::new());
        if !agent.renew_now().await {
            let reason = agent.status().borrow().last_error.clone();
            return Err(ControlError::Certificate(reason.unwrap_or_else(|| "no reason is known".to_owned())));
        }
        Ok(Certificates { authority, tokens, issuance, identity, agent, clock })
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

    /// Renews the control plane's own certificate for ever.
    pub(super) fn renew(self) -> impl Future<Output = ()> + Send {
        self.agent.run(std::future::pending())
    }
}
