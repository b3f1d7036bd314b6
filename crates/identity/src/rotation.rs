//! When to renew a certificate: a state machine without clock, dice or I/O of its own.
//!
//! A certificate is renewed at a random point between 50 % and 70 % of its life, so that a herd that started together
//! does not renew together. A failed attempt is repeated with exponential backoff and full jitter (delay drawn evenly
//! between nothing and the ceiling), whose ceiling shrinks with the time that is left, so that there are always several
//! attempts before the end. Life is counted from when the certificate was received, since its start is backdated.

use std::time::{Duration, SystemTime};

/// The earliest point of renewal, as a share of life.
pub const RENEW_FROM: f64 = 0.5;

/// The latest point of renewal, as a share of life.
pub const RENEW_UNTIL: f64 = 0.7;

/// From this share of life on, a certificate that was not renewed is an alarm, whatever else is known.
pub const WARN_AT: f64 = 0.8;

/// From this share of life on, trouble with the authority is an alarm.
pub const TROUBLE_FROM: f64 = 0.5;

/// Trouble that has lasted for this share of life is an alarm. An authority that goes away before 55 % of life is told of
/// before 60 %, although the certificate may not be due for renewal yet.
pub const TROUBLE_SHARE: f64 = 0.05;

/// A certificate of an issuer that was replaced is renewed within this share of life, and within [`MAX_HASTE`].
pub const HASTE_SHARE: f64 = 0.1;

/// See [`HASTE_SHARE`].
pub const MAX_HASTE: Duration = Duration::from_secs(300);

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MIN_BACKOFF: Duration = Duration::from_millis(50);
/// Ceiling of the backoff while a valid certificate is held.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Ceiling of the backoff while none is held: the workload is out of service, so try more often.
const MAX_BACKOFF_WITHOUT: Duration = Duration::from_secs(10);

/// From when to when a certificate can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: SystemTime,
    /// Last moment.
    pub not_after: SystemTime,
}

/// How urgent the state of the certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// In time.
    Ok,
    /// It was not renewed by [`WARN_AT`] of its life, or the authority cannot be reached or refuses, when it is needed soon
    /// ([`TROUBLE_FROM`], [`TROUBLE_SHARE`]). Somebody should look.
    Warn,
    /// There is no valid certificate.
    Expired,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    received_at: SystemTime,
    not_after: SystemTime,
}

impl Held {
    /// The moment at which `share` of the life is over.
    fn at(&self, share: f64) -> SystemTime {
        self.received_at + self.life().mul_f64(share)
    }

    fn life(&self) -> Duration {
        self.not_after.duration_since(self.received_at).unwrap_or_default()
    }
}

/// The state: what is held and when to try next.
#[derive(Debug, Clone)]
pub struct Rotation {
    held: Option<Held>,
    next_attempt: SystemTime,
    failures: u32,
    /// Since when the authority cannot be reached or refuses.
    trouble: Option<SystemTime>,
    hastened: bool,
}

impl Rotation {
    /// Nothing held; the first attempt is due at `now`.
    pub fn new(now: SystemTime) -> Self {
        Self { held: None, next_attempt: now, failures: 0, trouble: None, hastened: false }
    }

    /// A certificate was received at `now`: draws the point of its renewal.
    pub fn issued(&mut self, validity: Validity, now: SystemTime, dice: &mut fastrand::Rng) {
        let held = Held { received_at: now.max(validity.not_before), not_after: validity.not_after };
        let share = RENEW_FROM + (RENEW_UNTIL - RENEW_FROM) * dice.f64();
        self.failures = 0;
        self.trouble = None;
        self.hastened = false;
        // A certificate that is over when it arrives (a wrong clock) must not be asked for in a tight loop.
        self.next_attempt = held.at(share).max(now + MIN_BACKOFF);
        if held.life().is_zero() {
            self.next_attempt = now + MAX_BACKOFF_WITHOUT.mul_f64(dice.f64()).max(MIN_BACKOFF);
        }
        self.held = Some(held);
    }

    /// An attempt failed at `now`: draws when to try again.
    pub fn failed(&mut self, now: SystemTime, dice: &mut fastrand::Rng) {
        let left = self.held.and_then(|held| held.not_after.duration_since(now).ok()).unwrap_or_default();
        let ceiling =
            if left.is_zero() { MAX_BACKOFF_WITHOUT } else { MAX_BACKOFF.min((left / 8).max(FIRST_BACKOFF)) };
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(self.failures)).min(ceiling);
        self.failures = self.failures.saturating_add(1);
        self.trouble.get_or_insert(now);
        self.next_attempt = now + backoff.mul_f64(dice.f64()).max(MIN_BACKOFF);
    }

    /// The authority can be reached at `now`, or it cannot.
    pub fn reached(&mut self, reached: bool, now: SystemTime) {
        if !reached {
            self.trouble.get_or_insert(now);
        } else if self.failures == 0 {
            self.trouble = None;
        }
    }

    /// The certificate should be replaced soon: draws when, at most [`HASTE_SHARE`] of life and [`MAX_HASTE`] from `now`,
    /// unless it is due before that. Says whether that is news.
    pub fn hasten(&mut self, now: SystemTime, dice: &mut fastrand::Rng) -> bool {
        let Some(held) = self.held else { return false };
        if self.hastened {
            return false;
        }
        self.hastened = true;
        let within = held.life().mul_f64(HASTE_SHARE).min(MAX_HASTE);
        self.next_attempt = self.next_attempt.min(now + within.mul_f64(dice.f64()));
        true
    }

    /// When to try next.
    pub fn next_attempt(&self) -> SystemTime {
        self.next_attempt
    }

    /// How long to wait from `now` until the next attempt; zero if it is due.
    pub fn wait(&self, now: SystemTime) -> Duration {
        self.next_attempt.duration_since(now).unwrap_or_default()
    }

    /// Attempts that failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How urgent things are at `now`.
    pub fn alarm(&self, now: SystemTime) -> Alarm {
        match self.held {
            Some(held) if now <= held.not_after => {
                if now > held.at(WARN_AT) || self.is_troubled(held, now) {
                    Alarm::Warn
                } else {
                    Alarm::Ok
                }
            }
            _ => Alarm::Expired,
        }
    }

    fn is_troubled(&self, held: Held, now: SystemTime) -> bool {
        let lasted = self.trouble.map(|since| now.duration_since(since).unwrap_or_default());
        now >= held.at(TROUBLE_FROM)
            && lasted.is_some_and(|lasted| lasted >= held.life().mul_f64(TROUBLE_SHARE))
    }
}

#[cfg(test)]
mod tests;
