//! Whom a workload trusts: the roots of its own trust domain, other names of that domain, and the roots of foreign domains
//! that it is federated with; and which certificates were taken back. Immutable; a change is a new value put into the [`crate::svid::IdentityHandle`].

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use ripstop_model::spiffe::TrustDomain;

use crate::bundle::TrustBundle;
use crate::revocation::Revocations;
use crate::token::hex;

/// Most other names of one trust domain.
pub const MAX_ALIASES: usize = 64;

/// Most foreign trust domains that one is federated with.
pub const MAX_FEDERATED: usize = 256;

/// Whom a workload trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    own: Arc<TrustBundle>,
    aliases: Vec<TrustDomain>,
    federated: BTreeMap<TrustDomain, Arc<TrustBundle>>,
    revocations: Revocations,
}

/// Too many names to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// More than [`MAX_ALIASES`].
    #[error("a trust domain can have {MAX_ALIASES} other names at most, not {0}")]
    Aliases(usize),
    /// More than [`MAX_FEDERATED`].
    #[error("a trust domain can be federated with {MAX_FEDERATED} others at most, not {0}")]
    Federated(usize),
}

impl Trust {
    /// The own trust domain alone.
    pub fn own(bundle: TrustBundle) -> Self {
        Self {
            own: Arc::new(bundle),
            aliases: Vec::new(),
            federated: BTreeMap::new(),
            revocations: Revocations::default(),
        }
    }

    /// The same with other names of the own trust domain: a peer with one of them is judged by the own roots, and taken
    /// for the identity of the same path in the own domain.
    ///
    /// # Errors
    /// There are too many.
    pub fn with_aliases(mut self, aliases: Vec<TrustDomain>) -> Result<Self, TrustError> {
        if aliases.len() > MAX_ALIASES {
            return Err(TrustError::Aliases(aliases.len()));
        }
        self.aliases = aliases;
        self.aliases.retain(|alias| alias != self.own.trust_domain());
        Ok(self)
    }

    /// The same with foreign trust domains, each with the roots by which its identities are known. Bundles of the own
    /// domain or of one of its aliases are left out: nobody else may speak for them.
    ///
    /// # Errors
    /// There are too many.
    pub fn with_federated(
        mut self,
        bundles: impl IntoIterator<Item = Arc<TrustBundle>>,
    ) -> Result<Self, TrustError> {
        self.federated = bundles.into_iter().map(|bundle| (bundle.trust_domain().clone(), bundle)).collect();
        let (own, aliases) = (&self.own, &self.aliases);
        self.federated.retain(|domain, _| domain != own.trust_domain() && !aliases.contains(domain));
        match self.federated.len() {
            0..=MAX_FEDERATED => Ok(self),
            more => Err(TrustError::Federated(more)),
        }
    }

    /// The same with other revocation lists.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations) -> Self {
        Self { revocations, ..self }
    }

    /// The same with other roots of the own trust domain.
    #[must_use]
    pub fn with_own(&self, bundle: TrustBundle) -> Self {
        Self { own: Arc::new(bundle), ..self.clone() }
    }

    /// The own trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        self.own.trust_domain()
    }

    /// The roots of the own trust domain.
    pub fn bundle(&self) -> &Arc<TrustBundle> {
        &self.own
    }

    /// Other names of the own trust domain.
    pub fn aliases(&self) -> &[TrustDomain] {
        &self.aliases
    }

    /// Certificates that were taken back.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The foreign trust domains.
    pub fn federated(&self) -> impl Iterator<Item = &Arc<TrustBundle>> {
        self.federated.values()
    }

    /// The roots by which identities of `domain` are judged; `None`: it is not trusted.
    pub fn bundle_for(&self, domain: &TrustDomain) -> Option<&Arc<TrustBundle>> {
        if domain == self.own.trust_domain() || self.aliases.contains(domain) {
            return Some(&self.own);
        }
        self.federated.get(domain)
    }

    /// Names what is trusted: equal content has an equal version, in whichever process.
    pub fn version(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        for bundle in [&self.own].into_iter().chain(self.federated.values()) {
            part(bundle.trust_domain().as_str().as_bytes());
            bundle.roots().iter().for_each(|root| part(root));
        }
        self.aliases.iter().for_each(|alias| part(alias.as_str().as_bytes()));
        self.revocations.lists().iter().for_each(|list| part(list));
        let hash = context.finish();
        hex(&hash.as_ref()[..8])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bundle(domain: &str) -> TrustBundle {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone();
        TrustBundle::new(TrustDomain::new(domain).unwrap(), vec![root]).unwrap()
    }

    #[test]
    fn nobody_else_speaks_for_the_own_domain_or_its_aliases() {
        let alias = TrustDomain::new("old").unwrap();
        let own = Trust::own(bundle("td")).with_aliases(vec![alias.clone()]).unwrap();
        let foreign = ["td", "old", "elsewhere"].map(|domain| Arc::new(bundle(domain)));
        let trust = own.clone().with_federated(foreign.clone()).unwrap();
        assert_eq!(trust.bundle_for(&alias), Some(own.bundle()));
        assert_eq!(trust.bundle_for(&TrustDomain::new("td").unwrap()), Some(own.bundle()));
        assert_eq!(trust.bundle_for(&TrustDomain::new("elsewhere").unwrap()), Some(&foreign[2]));
        assert_eq!(trust.bundle_for(&TrustDomain::new("nowhere").unwrap()), None);
        assert_ne!(trust.version(), own.version());
        assert_eq!(own.version(), own.clone().version());
        assert!(own.with_aliases(vec![alias; MAX_ALIASES + 1]).is_err());
    }
}
