//! The checks of one host, one after the other.

use ripstop_model::health_check::HealthCheck;

use super::flags::{HealthFlag, HealthFlags};

/// What one check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It is well; `degraded`: it asks for less.
    Success {
        /// It takes requests when others are short.
        degraded: bool,
    },
    /// It is not.
    Failure {
        /// How that was found.
        kind: FailureKind,
        /// Whether it counts towards the threshold only. Failures of the network always do.
        retriable: bool,
    },
}

/// How a failure was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It gave the wrong answer.
    Active,
    /// It said so in the answer to an ordinary request.
    Passive,
    /// No connection, or one that broke.
    Network,
    /// No answer in time.
    NetworkTimeout,
}

impl FailureKind {
    /// Envoy's word in event logs.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::Active => "ACTIVE",
            FailureKind::Passive => "PASSIVE",
            FailureKind::Network => "NETWORK",
            FailureKind::NetworkTimeout => "NETWORK_TIMEOUT",
        }
    }

    /// Whether the network was at fault, or may have been.
    pub fn is_network(self) -> bool {
        matches!(self, FailureKind::Network | FailureKind::NetworkTimeout)
    }
}

/// Something to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthEvent {
    /// It takes requests from now on.
    AddHealthy {
        /// One success was enough because there was no check before.
        first_check: bool,
    },
    /// It takes no requests from now on.
    EjectUnhealthy(FailureKind),
    /// A check succeeded and changed nothing.
    Success,
    /// A check failed.
    Failure {
        /// How.
        kind: FailureKind,
        /// There was no check before.
        first_check: bool,
    },
    /// It asks for less from now on.
    Degraded,
    /// It does not any more.
    NoLongerDegraded,
}

/// What a check has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Unchanged,
    /// Nothing yet: the threshold is not reached.
    Pending,
    /// Who takes requests.
    Changed,
}

/// What follows from a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What has changed.
    pub transition: Transition,
    /// Whether the check itself succeeded.
    pub success: bool,
    /// What is to be written down, in order.
    pub events: Vec<HealthEvent>,
}

/// What is remembered between the checks of one host, besides its flags.
#[derive(Clone, Debug, Default)]
pub struct Session {
    checked: bool,
    healthy_in_a_row: u32,
    unhealthy_in_a_row: u32,
}

impl Session {
    /// Whether there was a result.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// Takes the result of a check and sets the flags of the host accordingly. Where the answer is
    /// [`Transition::Changed`], [`HostSet::health_changed`](crate::host::HostSet::health_changed) has to be called.
    pub fn record(&mut self, probed: Probed, flags: &HealthFlags, check: &HealthCheck) -> Verdict {
        match probed {
            Probed::Success { degraded } => self.success(degraded, flags, check),
            Probed::Failure { kind, retriable } => self.failure(kind, retriable, flags, check),
        }
    }

    fn success(&mut self, degraded: bool, flags: &HealthFlags, check: &HealthCheck) -> Verdict {
        self.unhealthy_in_a_row = 0;
        let first_check = !std::mem::replace(&mut self.checked, true);
        let mut transition = Transition::Unchanged;
        let mut events = Vec::new();
        if flags.has(HealthFlag::FailedActiveHc) {
            self.healthy_in_a_row = self.healthy_in_a_row.saturating_add(1);
            if first_check || self.healthy_in_a_row >= check.healthy_threshold.get() {
                flags.set(HealthFlag::ActiveHcTimeout, false);
                flags.set(HealthFlag::ExcludedViaImmediateHcFail, false);
                flags.set(HealthFlag::FailedActiveHc, false);
                transition = Transition::Changed;
                events.push(HealthEvent::AddHealthy { first_check });
            } else {
                transition = Transition::Pending;
            }
        }
        if transition != Transition::Changed && check.log.every_success {
            events.push(HealthEvent::Success);
        }
        transition = clear_pending(flags, transition);
        if degraded != flags.has(HealthFlag::DegradedActiveHc) {
            flags.set(HealthFlag::DegradedActiveHc, degraded);
            events.push(if degraded { HealthEvent::Degraded } else { HealthEvent::NoLongerDegraded });
            if transition == Transition::Unchanged {
                transition = Transition::Changed;
            }
        }
        Verdict { transition, success: true, events }
    }

    fn failure(
        &mut self,
        kind: FailureKind,
        retriable: bool,
        flags: &HealthFlags,
        check: &HealthCheck,
    ) -> Verdict {
        self.healthy_in_a_row = 0;
        let first_check = !std::mem::replace(&mut self.checked, true);
        let mut transition = Transition::Unchanged;
        let mut events = Vec::new();
        if !flags.has(HealthFlag::FailedActiveHc) {
            self.unhealthy_in_a_row = self.unhealthy_in_a_row.saturating_add(1);
            let beyond_doubt = !kind.is_network() && !retriable;
            if beyond_doubt || self.unhealthy_in_a_row >= check.unhealthy_threshold.get() {
                self.unhealthy_in_a_row = 0;
                flags.set(HealthFlag::FailedActiveHc, true);
                transition = Transition::Changed;
                events.push(HealthEvent::EjectUnhealthy(kind));
            } else {
                transition = Transition::Pending;
            }
        }
        let in_time = kind != FailureKind::NetworkTimeout;
        flags.set(HealthFlag::ActiveHcTimeout, !in_time && flags.has(HealthFlag::FailedActiveHc));
        transition = clear_pending(flags, transition);
        if first_check || check.log.every_failure {
            events.push(HealthEvent::Failure { kind, first_check });
        }
        Verdict { transition, success: false, events }
    }
}

/// A host that was checked counts, which changes shares even where its own health is what it was.
fn clear_pending(flags: &HealthFlags, transition: Transition) -> Transition {
    if !flags.has(HealthFlag::PendingActiveHc) {
        return transition;
    }
    flags.set(HealthFlag::PendingActiveHc, false);
    Transition::Changed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
