//! How an issuer or a root follows another without anybody noticing: a state machine without clock, files or keys of its own.
//!
//! ```text
//!           every proxy trusts         every proxy shows a certificate     every proxy trusts
//!           both roots                 from the new issuer, and no other   the new root alone
//!           ─────────────▶             certificate of the old one lives    ─────────────▶
//! Distribute ───────────────▶ Issue ────────────────────────────▶ Retire ────────────────────▶ done
//! ```
//!
//! A step waits for proof from every proxy that is connected, or was and may still be serving, and for the proof to hold for a
//! moment. Proxies that nobody knows of are protected by time: the old root stays until the last certificate below it has ended
//! or was replaced. Peers know issuers only through chains, so under the same root there is nothing to distribute or to retire:
//! an issuer goes the same way, and its first and last step are proved by the roots that everybody has already.

use std::fmt;
use std::time::{Duration, SystemTime};

/// What follows its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// The certificate that signs workloads, under the same root.
    Issuer,
    /// The root, with a new issuer below it.
    Root,
}

impl Successor {
    /// `issuer` or `root`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Root => "root",
        }
    }
}

impl fmt::Display for Successor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a succession is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The new root is being made known; the old one signs.
    Distribute,
    /// The new one signs; the old root is still trusted.
    Issue,
    /// The old root is being taken away.
    Retire,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 3] = [Self::Distribute, Self::Issue, Self::Retire];

    /// `distribute`, `issue` or `retire`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Distribute => "distribute",
            Self::Issue => "issue",
            Self::Retire => "retire",
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Distribute => Some(Self::Issue),
            Self::Issue => Some(Self::Retire),
            Self::Retire => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How patient a succession is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Proof must hold for this long, so that a proxy which is just coming back is not overlooked.
    pub settle: Duration,
    /// After a start nothing moves for this long: proxies find their way back to a control plane that was away.
    pub after_start: Duration,
    /// A new root is known for this long at least before it signs: for those who ask for roots now and then instead of
    /// following them, such as other trust domains.
    pub distribute: Duration,
}

impl Default for Patience {
    /// 1 s; 150 s, more than the longest pause of a proxy between two attempts to connect; no time, since nobody asks.
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(1),
            after_start: Duration::from_secs(150),
            distribute: Duration::ZERO,
        }
    }
}

/// What one proxy has proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Which proxy, for people.
    pub who: String,
    /// Version of what it trusts ([`crate::trust::Trust::version`]), as it has confirmed; `None`: nothing yet.
    pub trusts: Option<String>,
    /// Key identifier of the issuer of the certificate that it has shown last.
    pub issued_by: Option<String>,
    /// Whether it is connected. One that was, and has a certificate that is good, proves nothing and is waited for.
    pub connected: bool,
}

/// What has to be proved at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Version of what is to be trusted.
    pub trust: String,
    /// Key identifier of the issuer that signs.
    pub issuer: String,
    /// When the last certificate below the old root that nobody has replaced ends; `None`: there is none.
    pub old_until: Option<SystemTime>,
}

/// Whom or what a succession waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// A proxy that has not confirmed what it has to trust.
    ForTrust(String),
    /// A proxy that shows a certificate of another issuer.
    ForCertificate(String),
    /// A proxy that was connected and may still be serving.
    ForReturn(String),
    /// Certificates of proxies that are away, until this time.
    ForOldCertificates(SystemTime),
    /// Everything is proved and must hold until this time.
    ToSettle(SystemTime),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForTrust(who) => write!(f, "{who} has not confirmed the roots"),
            Self::ForCertificate(who) => write!(f, "{who} has a certificate of the old issuer"),
            Self::ForReturn(who) => write!(f, "{who} is gone, and its certificate is still good"),
            Self::ForOldCertificates(until) => {
                write!(f, "certificates of proxies that are away end at {}", crate::clock::readable(*until))
            }
            Self::ToSettle(until) => {
                write!(f, "all is proved; settling until {}", crate::clock::readable(*until))
            }
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing but wait, for these.
    Wait(Vec<Waiting>),
    /// Begin this phase.
    Begin(Phase),
    /// The successor is alone.
    Done,
}

/// A succession that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    what: Successor,
    phase: Phase,
    begun: SystemTime,
    phase_begun: SystemTime,
    settled_since: Option<SystemTime>,
}

impl Succession {
    /// Begins at `now`.
    pub fn begin(what: Successor, now: SystemTime) -> Self {
        Self::resume(what, Phase::Distribute, now, now)
    }

    /// Goes on where it was before a restart.
    pub fn resume(what: Successor, phase: Phase, begun: SystemTime, phase_begun: SystemTime) -> Self {
        Self { what, phase, begun, phase_begun, settled_since: None }
    }

    /// What follows.
    pub fn what(&self) -> Successor {
        self.what
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When it began.
    pub fn begun(&self) -> SystemTime {
        self.begun
    }

    /// When the present phase began.
    pub fn phase_begun(&self) -> SystemTime {
        self.phase_begun
    }

    /// Looks at the proof at `now` and decides. Whoever is told to begin a phase does what belongs to it, and then calls
    /// [`Succession::entered`].
    pub fn decide(
        &mut self,
        proofs: &[Proof],
        wanted: &Wanted,
        patience: Patience,
        now: SystemTime,
    ) -> Decision {
        let mut waiting: Vec<Waiting> =
            proofs.iter().filter_map(|proof| self.missing(proof, wanted)).collect();
        if self.phase == Phase::Issue
            && self.what == Successor::Root
            && let Some(until) = wanted.old_until.filter(|until| *until >= now)
        {
            waiting.push(Waiting::ForOldCertificates(until));
        }
        if !waiting.is_empty() {
            self.settled_since = None;
            return Decision::Wait(waiting);
        }
        // A clock that was set back begins the wait anew, instead of making it endless.
        let since = *self.settled_since.get_or_insert(now);
        let since = if since > now { *self.settled_since.insert(now) } else { since };
        let mut until = since + patience.settle;
        if self.phase == Phase::Distribute && self.what == Successor::Root && self.phase_begun <= now {
            until = until.max(self.phase_begun + patience.distribute);
        }
        if now < until {
            return Decision::Wait(vec![Waiting::ToSettle(until)]);
        }
        match self.phase.next() {
            Some(next) => Decision::Begin(next),
            None => Decision::Done,
        }
    }

    /// A phase has begun.
    pub fn entered(&mut self, phase: Phase, now: SystemTime) {
        self.phase = phase;
        self.phase_begun = now;
        self.settled_since = None;
    }

    fn missing(&self, proof: &Proof, wanted: &Wanted) -> Option<Waiting> {
        let who = || proof.who.clone();
        if !proof.connected {
            return Some(Waiting::ForReturn(who()));
        }
        if proof.trusts.as_ref() != Some(&wanted.trust) {
            return Some(Waiting::ForTrust(who()));
        }
        if self.phase == Phase::Issue && proof.issued_by.as_ref() != Some(&wanted.issuer) {
            return Some(Waiting::ForCertificate(who()));
        }
        None
    }
}

#[cfg(test)]
mod tests;
