//! The agent of one workload: obtains its first certificate, publishes it, and renews it for ever; takes the roots that the
//! authority announces. When to renew is the business of [`Rotation`]; this is the loop around it that waits and calls.

mod follow;
mod reconnect;
mod source;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::{Duration, SystemTime};

use ripstop_model::spiffe::SpiffeId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{Clock, readable};
use crate::rotation::{Alarm, Rotation, Validity};
use crate::svid::{IdentityHandle, Svid};

use follow::Upstream;

pub use follow::Confirm;
pub use source::{AgentError, RemoteAuthority, SvidSource, TokenSource};

/// The agent looks at the wall clock at least this often, so that a jump of the clock or a sleep of the machine does not
/// make it late.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How the agent is doing: for `/certs`, readiness and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStatus {
    /// How urgent things are.
    pub alarm: Alarm,
    /// Certificates obtained so far.
    pub issued: u64,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// What went wrong last, if the last attempt failed.
    pub last_error: Option<String>,
    /// When the next attempt is due.
    pub next_attempt: SystemTime,
    /// Whether the authority is followed, so that new roots arrive at once.
    pub connected: bool,
}

/// Keeps one workload supplied with a valid certificate.
#[derive(Debug)]
pub struct Agent {
    id: SpiffeId,
    source: SvidSource,
    identity: IdentityHandle,
    clock: Clock,
    rotation: Rotation,
    /// When the certificate came and how long it may be used before it is renewed, by a clock that nobody sets.
    planned: Option<(Instant, Duration)>,
    dice: fastrand::Rng,
    status: watch::Sender<AgentStatus>,
}

impl Agent {
    /// An agent that keeps `identity` supplied with certificates for `id` from `source`. `dice` spreads renewals and
    /// retries.
    pub fn new(
        id: SpiffeId,
        source: SvidSource,
        identity: IdentityHandle,
        clock: Clock,
        dice: fastrand::Rng,
    ) -> Self {
        let now = clock.now();
        let rotation = Rotation::new(now);
        let status = watch::Sender::new(AgentStatus {
            alarm: Alarm::Expired,
            issued: 0,
            failures: 0,
            last_error: None,
            next_attempt: now,
            connected: false,
        });
        Self { id, source, identity, clock, rotation, planned: None, dice, status }
    }

    /// Follows how the agent is doing.
    pub fn status(&self) -> watch::Receiver<AgentStatus> {
        self.status.subscribe()
    }

    /// Runs until `stop` is done: the first certificate at once, then renewals.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let (sender, mut upstream) = watch::channel(Upstream::default());
        // Ends with this future.
        let mut following = tokio::task::JoinSet::new();
        self.source.follow(&self.identity, sender, &mut following);
        loop {
            let wait = self.wait();
            if wait.is_zero() {
                tokio::select! {
                    () = &mut stop => return,
                    () = self.attempt() => {}
                }
            } else {
                tokio::select! {
                    () = &mut stop => return,
                    () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
                    Ok(()) = upstream.changed() => {}
                }
            }
            let now = upstream.borrow_and_update().clone();
            self.heed(&now);
            self.report();
        }
    }

    /// How long to wait for the next attempt. A certificate that is renewed in time is renewed by whichever clock is sooner, so
    /// that setting back the wall clock does not make it late for everybody else.
    fn wait(&self) -> Duration {
        let wait = self.rotation.wait(self.clock.now());
        match self.planned {
            Some((received, planned)) if self.rotation.failures() == 0 => {
                wait.min(planned.saturating_sub(received.elapsed()))
            }
            _ => wait,
        }
    }

    /// What is known of the authority: a certificate of another issuer than the one that signs is renewed soon, and an
    /// authority that cannot be reached is trouble to come.
    fn heed(&mut self, upstream: &Upstream) {
        let now = self.clock.now();
        if self.source.is_remote() {
            self.rotation.reached(upstream.connected, now);
        }
        let (Some(issuer), Some(svid)) = (&upstream.issuer, self.identity.svid()) else { return };
        let outdated = svid.issued_by() != Some(issuer) && self.rotation.failures() == 0;
        if outdated && self.rotation.hasten(now, &mut self.dice) {
            tracing::info!(id = %self.id, renew_at = %readable(self.rotation.next_attempt()), "another issuer signs: the certificate is renewed early");
        }
        self.status.send_if_modified(|status| {
            std::mem::replace(&mut status.connected, upstream.connected) != upstream.connected
        });
    }

    /// Tries once to obtain a certificate, now, whether one is due or not. Says whether it worked.
    pub async fn renew_now(&mut self) -> bool {
        self.attempt().await;
        self.rotation.failures() == 0
    }

    async fn attempt(&mut self) {
        let now = self.clock.now();
        let obtained = self.source.obtain(&self.id, &self.identity, now).await;
        // Obtaining may have taken a while.
        let now = self.clock.now();
        match obtained {
            Ok(svid) => self.publish(svid, now),
            Err(error) => {
                self.rotation.failed(now, &mut self.dice);
                let (id, retry_in) = (&self.id, self.rotation.wait(now));
                if self.rotation.alarm(now) >= Alarm::Warn {
                    tracing::error!(%id, %error, ?retry_in, alarm = ?self.rotation.alarm(now), "no new certificate");
                } else {
                    tracing::warn!(%id, %error, ?retry_in, "no new certificate");
                }
                self.status.send_modify(|status| status.last_error = Some(error.to_string()));
            }
        }
        self.report();
    }

    fn publish(&mut self, svid: Svid, now: SystemTime) {
        let validity = Validity { not_before: svid.not_before(), not_after: svid.not_after() };
        self.rotation.issued(validity, now, &mut self.dice);
        self.planned = Some((Instant::now(), self.rotation.wait(now)));
        tracing::info!(
            id = %self.id,
            serial = svid.serial(),
            not_after = %readable(svid.not_after()),
            renew_at = %readable(self.rotation.next_attempt()),
            "certificate obtained"
        );
        self.identity.publish(svid);
        self.status.send_modify(|status| {
            status.issued += 1;
            status.last_error = None;
        });
    }

    fn report(&self) {
        let alarm = self.rotation.alarm(self.clock.now());
        self.status.send_modify(|status| {
            status.alarm = alarm;
            status.failures = self.rotation.failures();
            status.next_attempt = self.rotation.next_attempt();
        });
    }
}
