//! How the authority changes: what it is made of, and the steps of a succession carried out, each written down before it counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::CertificateDer;

use super::ca_files::CaFiles;
use super::manifest::Manifest;
use super::own::{Own, is_late};
use super::revocation_file::RevocationFile;
use super::signer::Signer;
use super::status::AuthorityStatus;
use super::{Announcement, Authority, AuthorityConfig, AuthorityError, CaSource, SigningNow};
use crate::bundle::TrustBundle;
use crate::certificate::CertificateFacts;
use crate::clock::readable;
use crate::files;
use crate::revocation::Revocations;
use crate::succession::{Decision, Phase, Proof, Succession, Successor, Waiting, Wanted};
use crate::trust::Trust;

const BUNDLE_FILE: &str = "trust-bundle.pem";

/// What an authority is made of.
pub(super) struct Core {
    dir: PathBuf,
    backing: Backing,
    current: Arc<dyn Signer>,
    /// Signs later.
    next: Option<Arc<dyn Signer>>,
    pub(super) succession: Option<Succession>,
    /// Roots that are trusted until nobody needs them any more.
    old_roots: Vec<CertificateDer<'static>>,
    /// Whom else to trust: aliases and foreign domains, beside whatever bundle of our own.
    foreign: Trust,
    /// Certificates that the user's CA has taken back.
    revocations: Revocations,
    longest_leaf: Duration,
    /// Nothing moves before.
    not_before: SystemTime,
    pub(super) waiting: Vec<Waiting>,
    /// Successions that were brought to an end.
    pub(super) completed: [u64; 2],
    /// Why the last attempt at something failed.
    pub(super) last_error: Option<String>,
}

enum Backing {
    Own(Box<Own>),
    Files(Box<CaFiles>, Option<RevocationFile>),
}

impl Core {
    pub(super) fn open(config: &AuthorityConfig, now: SystemTime) -> Result<Self, AuthorityError> {
        let dir = &config.dir;
        let manifest = Manifest::read(dir)?;
        let mut revocations = Revocations::default();
        let (backing, current, next): (_, Arc<dyn Signer>, Option<Arc<dyn Signer>>) = match &config.ca {
            CaSource::Own => {
                let own = Own::open(dir, &config.trust_domain, config.key, &manifest, now)?;
                let current = Arc::clone(&own.signing.signer);
                let next = own.next().map(|next| next as Arc<dyn Signer>);
                (Backing::Own(Box::new(own)), current, next)
            }
            CaSource::Files(paths) => {
                let mut files = CaFiles::new(paths.clone(), config.trust_domain.clone());
                let first = files.poll(now)?;
                let current = first.ok_or_else(|| AuthorityError::Signer("nothing was read".to_owned()))?;
                let mut crl = paths.crl.as_deref().map(RevocationFile::new);
                if let Some(lists) = crl.as_mut().map(RevocationFile::poll).transpose()?.flatten() {
                    revocations = lists;
                }
                (Backing::Files(Box::new(files), crl), current, None)
            }
        };
        let resumed = manifest.succession.filter(|one| next.is_some() || one.phase() != Phase::Distribute);
        let old_roots = leftover(dir, &config.trust_domain, current.roots(), next.as_deref());
        let succession = match resumed {
            None if !old_roots.is_empty() => {
                tracing::warn!(
                    "the roots are others than before; the old ones are trusted as long as certificates below them live"
                );
                Some(Succession::resume(Successor::Root, Phase::Issue, now, now))
            }
            resumed => resumed,
        };
        let keeps_old = succession.as_ref().is_some_and(|one| one.phase() == Phase::Issue);
        let bundle = TrustBundle::new(config.trust_domain.clone(), current.roots().to_vec())?;
        let core = Self {
            dir: dir.clone(),
            backing,
            current,
            next,
            not_before: succession.as_ref().map_or(now, |_| now + config.patience.after_start),
            succession,
            old_roots: if keeps_old { old_roots } else { Vec::new() },
            foreign: Trust::own(bundle),
            revocations,
            longest_leaf: manifest.longest_leaf,
            waiting: Vec::new(),
            completed: [0, 0],
            last_error: None,
        };
        core.save()?;
        Ok(core)
    }

    pub(super) fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.current)
    }

    pub(super) fn longest_leaf(&self) -> Duration {
        self.longest_leaf
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self.backing, Backing::Own(_))
    }

    pub(super) fn root_not_after(&self) -> SystemTime {
        let ends = self.current.roots().iter().filter_map(|root| CertificateFacts::read(root).ok());
        ends.map(|facts| facts.not_after).min().unwrap_or_else(|| self.current.not_after())
    }

    pub(super) fn note_lifetime(&mut self, lifetime: Duration) -> Result<(), AuthorityError> {
        if lifetime > self.longest_leaf {
            let before = std::mem::replace(&mut self.longest_leaf, lifetime);
            if let Err(error) = self.save() {
                self.longest_leaf = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// All roots that are trusted at the moment, the one that signs first.
    pub(super) fn roots(&self) -> Vec<CertificateDer<'static>> {
        let next = self.next.iter().flat_map(|next| next.roots());
        let mut roots: Vec<CertificateDer<'static>> = Vec::new();
        for root in self.current.roots().iter().chain(next).chain(&self.old_roots) {
            if !roots.contains(root) {
                roots.push(root.clone());
            }
        }
        roots
    }

    pub(super) fn announcement(&self) -> Result<Announcement, AuthorityError> {
        let bundle = TrustBundle::new(self.foreign.trust_domain().clone(), self.roots())?;
        let trust = self.foreign.with_own(bundle).with_revocations(self.revocations.clone());
        Ok(Announcement { version: trust.version(), trust, issuer: self.current.key_id().to_owned() })
    }

    fn manifest(&self) -> Manifest {
        let mut manifest = Manifest {
            succession: self.succession.clone(),
            longest_leaf: self.longest_leaf,
            ..Manifest::default()
        };
        if let Backing::Own(own) = &self.backing {
            own.describe(&mut manifest);
        }
        manifest
    }

    /// Writes down how things are, and removes keys that do not count any more.
    fn save(&self) -> Result<(), AuthorityError> {
        let manifest = self.manifest();
        manifest.write(&self.dir)?;
        if let Backing::Own(own) = &self.backing {
            own.sweep(&manifest);
        }
        Ok(())
    }

    fn begin(&mut self, what: Successor, now: SystemTime) -> Result<(), AuthorityError> {
        if let Some(succession) = &self.succession {
            return Err(AuthorityError::UnderWay { what: succession.what(), phase: succession.phase() });
        }
        let Backing::Own(own) = &mut self.backing else {
            return Err(AuthorityError::NotOurs("see `certificates.ca` of the mesh".to_owned()));
        };
        self.next = Some(own.prepare(what, now)?);
        self.succession = Some(Succession::begin(what, now));
        if let Err(error) = self.save() {
            self.next = None;
            self.succession = None;
            if let Backing::Own(own) = &mut self.backing {
                own.discard();
            }
            return Err(error);
        }
        Ok(())
    }

    /// Whether the files of the user's CA hold another one, which then follows the present one.
    fn follow_files(&mut self, now: SystemTime) -> Result<bool, AuthorityError> {
        // One after the other: what is replaced meanwhile is read when this one is done.
        if self.succession.is_some() {
            return Ok(false);
        }
        let Backing::Files(files, _) = &mut self.backing else { return Ok(false) };
        let Some(next) = files.poll(now)? else { return Ok(false) };
        let new_roots = next.roots().iter().any(|root| !self.current.roots().contains(root));
        let lost_roots = self.current.roots().iter().any(|root| !next.roots().contains(root));
        let what = if new_roots || lost_roots { Successor::Root } else { Successor::Issuer };
        tracing::info!(%what, issuer = next.key_id(), "the CA in files is another one");
        self.next = Some(next);
        self.succession = Some(Succession::begin(what, now));
        self.save()?;
        Ok(true)
    }

    /// Whether the user's CA has taken other certificates back than before.
    fn follow_revocations(&mut self) -> Result<bool, AuthorityError> {
        let Backing::Files(_, Some(file)) = &mut self.backing else { return Ok(false) };
        let Some(lists) = file.poll()? else { return Ok(false) };
        tracing::info!(lists = lists.lists().len(), "the revocation lists of the CA are others");
        self.revocations = lists;
        Ok(true)
    }

    /// The present issuer or root is in the last third of its life.
    fn late(&self, now: SystemTime) -> Option<Successor> {
        let Backing::Own(own) = &self.backing else { return None };
        if is_late(own.root.not_before, own.root.not_after, now) {
            return Some(Successor::Root);
        }
        let signer = &self.current;
        is_late(signer.not_before(), signer.not_after(), now).then_some(Successor::Issuer)
    }
}

impl Authority {
    /// Begins to replace the issuer or the root.
    ///
    /// # Errors
    /// One is being replaced already, the CA is not ours, or the new one cannot be made or written.
    pub fn begin(&self, what: Successor, now: SystemTime) -> Result<(), AuthorityError> {
        let mut core = self.lock();
        core.begin(what, now)?;
        tracing::info!(%what, "replacing begins: phase `distribute`");
        self.publish(&core)
    }

    /// Whom else to trust: other names of the own domain, and foreign domains. The roots of `foreign` itself do not count.
    ///
    /// # Errors
    /// The bundle cannot be written.
    pub fn trust_also(&self, foreign: Trust) -> Result<(), AuthorityError> {
        let mut core = self.lock();
        core.foreign = foreign;
        self.publish(&core)
    }

    /// Does what is due without anybody asking: begins to replace what is in the last third of its life, and looks at the
    /// files of a user's CA and its revocation lists. Call it every second or so.
    pub fn maintain(&self, now: SystemTime) {
        let mut core = self.lock();
        let changed = match core.succession.is_none().then(|| core.late(now)).flatten() {
            Some(what) => {
                tracing::info!(%what, "in the last third of its life: it is replaced");
                core.begin(what, now).map(|()| true)
            }
            None => core.follow_files(now),
        };
        let revoked = core.follow_revocations();
        match changed.and_then(|changed| Ok(revoked? || changed)) {
            Ok(false) => {}
            Ok(true) => {
                core.last_error = None;
                self.publish_or_log(&mut core);
            }
            Err(error) => {
                let text = error.to_string();
                // Once for each reason: it may hold for days.
                if core.last_error.as_ref() != Some(&text) {
                    tracing::error!(%error, "the CA cannot be changed: the one from before goes on");
                }
                core.last_error = Some(text);
            }
        }
    }

    /// What follows from the proof. Nothing is done before [`Authority::carry_out`].
    pub fn decide(&self, proofs: &[Proof], now: SystemTime) -> Decision {
        let mut guard = self.lock();
        let core = &mut *guard;
        if now < core.not_before {
            core.waiting = vec![Waiting::ToSettle(core.not_before)];
            return Decision::Wait(core.waiting.clone());
        }
        let (trust, issuer) = {
            let announced = self.announced.borrow();
            (announced.version.clone(), announced.issuer.clone())
        };
        let Some(succession) = &mut core.succession else { return Decision::Wait(Vec::new()) };
        let old_until = self.leaves().old.last_end(now);
        let wanted = Wanted { trust, issuer, old_until };
        let decision = succession.decide(proofs, &wanted, self.config.patience, now);
        core.waiting = match &decision {
            Decision::Wait(waiting) => waiting.clone(),
            Decision::Begin(_) | Decision::Done => Vec::new(),
        };
        decision
    }

    /// Does what was decided, and writes it down before it counts.
    ///
    /// # Errors
    /// It cannot be written. Then everything is as before, and it is decided anew.
    pub fn carry_out(&self, decision: &Decision, now: SystemTime) -> Result<(), AuthorityError> {
        let mut guard = self.lock();
        let core = &mut *guard;
        let Some(before) = core.succession.clone() else { return Ok(()) };
        match decision {
            Decision::Wait(_) => return Ok(()),
            Decision::Begin(phase) => {
                if *phase == Phase::Issue {
                    self.promote(core, before.what());
                }
                if *phase == Phase::Retire {
                    core.old_roots.clear();
                }
                if let Some(succession) = &mut core.succession {
                    succession.entered(*phase, now);
                }
                tracing::info!(what = %before.what(), %phase, "the next phase begins");
            }
            Decision::Done => {
                core.succession = None;
                core.completed[usize::from(before.what() == Successor::Root)] += 1;
                tracing::info!(what = %before.what(), begun = %readable(before.begun()), "replaced");
            }
        }
        // What was promoted stays so in memory even if it cannot be written: the files of both are still there, and the next
        // attempt writes it.
        core.save()?;
        self.publish(core)
    }

    /// The successor signs from now on.
    fn promote(&self, core: &mut Core, what: Successor) {
        let Some(next) = core.next.take() else { return };
        let before = std::mem::replace(&mut core.current, next);
        if let Backing::Own(own) = &mut core.backing {
            own.promote();
        }
        if what == Successor::Root {
            let gone = |root: &&CertificateDer<'static>| !core.current.roots().contains(root);
            core.old_roots = before.roots().iter().filter(gone).cloned().collect();
            let mut leaves = self.leaves();
            leaves.old = std::mem::take(&mut leaves.current);
        }
        self.signing.store(Arc::new(SigningNow(core.signer())));
    }

    /// How things are.
    pub fn status(&self) -> AuthorityStatus {
        AuthorityStatus::new(&self.lock(), &self.announced.borrow(), &self.signing.load().0)
    }

    /// Writes the bundle for whoever reads it from the directory, then tells everybody.
    pub(super) fn publish(&self, core: &Core) -> Result<(), AuthorityError> {
        let announcement = core.announcement()?;
        let pem = announcement.trust.bundle().to_pem();
        files::write_public(&core.dir.join(BUNDLE_FILE), pem.as_bytes())?;
        self.announced.send_if_modified(|before| {
            let changed = **before != announcement;
            if changed {
                *before = Arc::new(announcement);
            }
            changed
        });
        Ok(())
    }

    fn publish_or_log(&self, core: &mut Core) {
        if let Err(error) = self.publish(core) {
            tracing::error!(%error, "the trust bundle cannot be published");
            core.last_error = Some(error.to_string());
        }
    }
}

/// The roots that were announced last and are neither those of now nor those to come.
fn leftover(
    dir: &Path,
    trust_domain: &TrustDomain,
    current: &[CertificateDer<'static>],
    next: Option<&dyn Signer>,
) -> Vec<CertificateDer<'static>> {
    let Ok(pem) = std::fs::read_to_string(dir.join(BUNDLE_FILE)) else { return Vec::new() };
    let Ok(bundle) = TrustBundle::from_pem(trust_domain.clone(), &pem) else { return Vec::new() };
    let next = next.map(Signer::roots).unwrap_or_default();
    let known = |root: &&CertificateDer<'static>| current.contains(root) || next.contains(root);
    bundle.roots().iter().filter(|root| !known(root)).cloned().collect()
}
