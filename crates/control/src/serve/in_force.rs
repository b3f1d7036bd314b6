//! What is in force at a moment: a world with its number, and what keeps the documents as they are from being the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use ripstop_model::TrustDomain;
use ripstop_yaml::Problem;

use crate::resource::Mesh;
use crate::source::State;
use crate::world::World;

/// A world and how things stand with the documents. Never changes; an edit makes another one.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// Number of the last change that was accepted, from 1.
    pub(crate) revision: u64,
    /// The last good world.
    pub(crate) world: Arc<World>,
    /// When it came into force.
    pub(crate) since: SystemTime,
    /// When the change that made it came in.
    pub(crate) begun: Instant,
    /// Warnings about it.
    pub(crate) warnings: Vec<Problem>,
    /// Why the documents as they are now do not replace it; empty if they are what is in force.
    pub(crate) refused: Vec<Problem>,
}

/// Edits of the documents since the start.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    good: AtomicU64,
    bad: AtomicU64,
}

impl Reloads {
    /// Edits that came into force.
    pub(crate) fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Edits that were refused.
    pub(crate) fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, refused: bool) {
        let counter = if refused { &self.bad } else { &self.good };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What cannot change while a control plane runs: its authority is of one trust domain, and its sockets are open.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    trust_domain: TrustDomain,
    /// The Mesh that the control plane was started with.
    start: Mesh,
}

impl Pinned {
    /// Pins what `mesh` says, except that `trust_domain` goes before.
    pub(crate) fn new(mesh: &Mesh, trust_domain: Option<TrustDomain>) -> Pinned {
        let trust_domain = trust_domain.unwrap_or_else(|| mesh.trust_domain.clone());
        Pinned { trust_domain, start: mesh.clone() }
    }

    /// The trust domain of the authority.
    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// What comes into force when the documents are as in `state`.
    pub(crate) fn next(&self, state: &State, revision: u64, since: SystemTime, begun: Instant) -> InForce {
        let mut warnings = state.warnings.clone();
        warnings.extend(self.warnings(state.world.mesh()));
        let world = match state.world.mesh().trust_domain == self.trust_domain {
            true => Arc::clone(&state.world),
            false => Arc::new(World::clone(&state.world).with_trust_domain(&self.trust_domain)),
        };
        InForce { revision, world, since, begun, warnings, refused: state.refused.clone() }
    }

    /// What `mesh` says and is not in force.
    fn warnings(&self, mesh: &Mesh) -> Vec<Problem> {
        let mut warnings = Vec::new();
        let mut warn = |path: &str, message: String, help: &str| {
            let mut problem = mesh.meta.origin.warning(message).with_help(help);
            problem.path = path.to_owned();
            warnings.push(problem);
        };
        let restart = "stop the mesh and start it again for it to take effect";
        if mesh.trust_domain != self.start.trust_domain {
            let message = format!(
                "the trust domain cannot change while the control plane runs: {} stays",
                self.trust_domain
            );
            warn("spec.trustDomain", message, restart);
        }
        if mesh.control != self.start.control {
            let message = "the addresses of the control plane cannot change while it runs".to_owned();
            warn("spec.control", message, restart);
        }
        let (new, old) = (&mesh.certificates, &self.start.certificates);
        if new.lifetime != old.lifetime {
            let message =
                format!("certificates are issued for {:?}, as when the control plane started", old.lifetime);
            warn("spec.certificates.lifetime", message, restart);
        }
        if (new.key, &new.ca) != (old.key, &old.ca) {
            let message = "the CA is the one with which the control plane started".to_owned();
            warn("spec.certificates.ca", message, restart);
        }
        if mesh.trust_domain_aliases != self.start.trust_domain_aliases
            || mesh.federation != self.start.federation
        {
            let message =
                "foreign trust domains and aliases are those with which the control plane started".to_owned();
            warn("spec.federation", message, restart);
        }
        warnings
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::document::decode;
    use ripstop_yaml::Source;

    fn state(spec: &str) -> State {
        let text = format!("apiVersion: ripstop.io/v1\nkind: Mesh\nmetadata: {{name: m}}\nspec: {spec}\n");
        let (resources, problems) = decode(&Source::new("mesh.yaml", text));
        assert!(problems.is_empty(), "{problems:?}");
        let (world, warnings) = World::build(resources).unwrap();
        State::new(world, warnings)
    }

    #[test]
    fn what_is_pinned_stays_and_is_told() {
        let start = state("{trustDomain: one.org}");
        let pinned = Pinned::new(start.world.mesh(), None);
        let next = |spec| pinned.next(&state(spec), 2, SystemTime::UNIX_EPOCH, Instant::now());
        assert!(next("{trustDomain: one.org}").warnings.is_empty());

        let other = next("{trustDomain: two.org, control: {api: 127.0.0.1:1}, certificates: {lifetime: 1h}}");
        assert_eq!(other.world.mesh().trust_domain.as_str(), "one.org");
        let told: Vec<_> = other.warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(told, ["spec.trustDomain", "spec.control", "spec.certificates.lifetime"]);
    }

    #[test]
    fn an_override_goes_before_the_document() {
        let start = state("{trustDomain: one.org}");
        let pinned = Pinned::new(start.world.mesh(), Some(TrustDomain::new("over.org").unwrap()));
        let next = pinned.next(&start, 1, SystemTime::UNIX_EPOCH, Instant::now());
        assert_eq!(next.world.mesh().trust_domain.as_str(), "over.org");
        assert!(next.warnings.is_empty(), "{:?}", next.warnings);
    }
}
