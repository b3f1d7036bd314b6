//! When and how a request is tried again. Whether it may be is `ripstop-policy`'s to decide.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Name;
use crate::matcher::HeaderMatch;

/// When and how a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// On what.
    pub on: RetryOn,
    /// Tries beyond the first.
    pub num_retries: u32,
    /// How long one try may take; `None`: as long as the request.
    pub per_try_timeout: Option<Duration>,
    /// How long nothing may move in one try; `None`: as long as in the request. Not zero.
    pub per_try_idle_timeout: Option<Duration>,
    /// Waiting before a retry.
    pub backoff: Backoff,
    /// Waiting as long as an answer asks for, where it does.
    pub rate_limited: Option<RateLimitedBackoff>,
    /// A retry goes to a host that has not been tried (`previous_hosts`).
    pub avoid_previous_hosts: bool,
    /// A retry does not go to a host labelled `canary` (`omit_canary_hosts`).
    pub omit_canary_hosts: bool,
    /// A retry does not go to a host that has all labels of one of these (`omit_host_metadata`).
    pub omit_host_labels: Vec<BTreeMap<Name, Name>>,
    /// After each so many tries, retries leave the priorities alone that were tried so far (`previous_priorities`). Not zero.
    pub avoid_previous_priorities: Option<u32>,
    /// How often another host is looked for before the same one is taken again.
    pub host_selection_attempts: u32,
    /// Retries whatever the method. Off by default: what may not be repeated is retried only when the
    /// upstream has provably not processed it. Travels as `filter_metadata["ripstop"]`.
    pub any_method: bool,
    /// Response statuses that `retriable-status-codes` means.
    pub retriable_statuses: Vec<u16>,
    /// What `retriable-headers` means: an answer that has one of these.
    pub retriable_headers: Vec<HeaderMatch>,
    /// Unless empty: only requests that have one of these are retried.
    pub retriable_request_headers: Vec<HeaderMatch>,
}

impl RetryPolicy {
    /// One retry with Envoy's back-off on the given conditions.
    pub fn on(on: RetryOn) -> RetryPolicy {
        RetryPolicy {
            on,
            num_retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            backoff: Backoff::default(),
            rate_limited: None,
            avoid_previous_hosts: false,
            omit_canary_hosts: false,
            omit_host_labels: Vec::new(),
            avoid_previous_priorities: None,
            host_selection_attempts: 1,
            any_method: false,
            retriable_statuses: Vec::new(),
            retriable_headers: Vec::new(),
            retriable_request_headers: Vec::new(),
        }
    }
}

/// Envoy's `HedgePolicy`, as far as Envoy heeds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HedgePolicy {
    /// A try that takes longer than one try may goes on beside the next one, and the first good answer counts.
    pub on_per_try_timeout: bool,
}

/// How long is waited before a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry. Not zero.
    pub base: Duration,
    /// The longest wait of all; not below `base`.
    pub max: Duration,
    /// How the wait grows. All but the exponential travel as `filter_metadata["ripstop"]`.
    pub growth: Growth,
    /// How much of it is left to the dice. All but [`Jitter::Full`] travel as `filter_metadata["ripstop"]`.
    pub jitter: Jitter,
}

/// How the wait grows from one retry to the next; `n` counts retries from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Growth {
    /// `base × 2^(n-1)`, which is Envoy's.
    #[default]
    Exponential,
    /// `base × n`
    Linear,
    /// `base`
    Constant,
    /// `base × fibonacci(n)`: 1, 1, 2, 3, 5 …
    Fibonacci,
}

impl Growth {
    const WORDS: [(&'static str, Growth); 4] = [
        ("exponential", Growth::Exponential),
        ("linear", Growth::Linear),
        ("constant", Growth::Constant),
        ("fibonacci", Growth::Fibonacci),
    ];

    /// The growth that is called `word`.
    pub fn from_word(word: &str) -> Option<Growth> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, growth)| *growth)
    }

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Growth::Exponential => "exponential",
            Growth::Linear => "linear",
            Growth::Constant => "constant",
            Growth::Fibonacci => "fibonacci",
        }
    }
}

/// How much of a wait is left to the dice, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// Anything between nothing and the whole.
    #[default]
    Full,
    /// Anything between a half and the whole.
    Half,
    /// Nothing: always the whole.
    None,
}

impl Jitter {
    const WORDS: [(&'static str, Jitter); 3] =
        [("full", Jitter::Full), ("half", Jitter::Half), ("none", Jitter::None)];

    /// The jitter that is called `word`.
    pub fn from_word(word: &str) -> Option<Jitter> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, jitter)| *jitter)
    }

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Jitter::Full => "full",
            Jitter::Half => "half",
            Jitter::None => "none",
        }
    }
}

impl Backoff {
    /// Exponential with full jitter, as Envoy has it.
    pub fn exponential(base: Duration, max: Duration) -> Backoff {
        Backoff { base, max, growth: Growth::Exponential, jitter: Jitter::Full }
    }
}

impl Default for Backoff {
    /// Envoy's 25 ms, at most ten times that.
    fn default() -> Backoff {
        Backoff::exponential(Duration::from_millis(25), Duration::from_millis(250))
    }
}

/// Envoy's `RateLimitedRetryBackOff`: an answer says when it is worth trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitedBackoff {
    /// Where it says so; the first that can be read counts. Not empty.
    pub headers: Vec<ResetHeader>,
    /// A longer wait is not believed, and the usual one takes its place.
    pub max: Duration,
}

impl RateLimitedBackoff {
    /// Envoy's default for [`RateLimitedBackoff::max`].
    pub const DEFAULT_MAX: Duration = Duration::from_secs(300);
}

/// A header that says when it is worth trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetHeader {
    /// Lower case.
    pub name: Name,
    /// How.
    pub format: ResetFormat,
}

/// What the number in a [`ResetHeader`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetFormat {
    /// Seconds from now.
    Seconds,
    /// Seconds since 1970.
    UnixTimestamp,
}

/// A set of Envoy's retry conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Any 5xx answer, and everything of [`RetryOn::RESET`] and [`RetryOn::CONNECT_FAILURE`].
    pub const SERVER_ERROR: RetryOn = RetryOn(1);
    /// 502, 503 or 504.
    pub const GATEWAY_ERROR: RetryOn = RetryOn(1 << 1);
    /// The upstream did not answer: disconnect, reset, per-try timeout.
    pub const RESET: RetryOn = RetryOn(1 << 2);
    /// Reset before the request head was sent.
    pub const RESET_BEFORE_REQUEST: RetryOn = RetryOn(1 << 3);
    /// No connection could be made.
    pub const CONNECT_FAILURE: RetryOn = RetryOn(1 << 4);
    /// HTTP/2 REFUSED_STREAM.
    pub const REFUSED_STREAM: RetryOn = RetryOn(1 << 5);
    /// 409.
    pub const RETRIABLE_4XX: RetryOn = RetryOn(1 << 6);
    /// [`RetryPolicy::retriable_statuses`].
    pub const RETRIABLE_STATUS_CODES: RetryOn = RetryOn(1 << 7);
    /// An answer that has one of [`RetryPolicy::retriable_headers`].
    pub const RETRIABLE_HEADERS: RetryOn = RetryOn(1 << 13);
    /// `x-envoy-ratelimited`, which is never retried otherwise.
    pub const ENVOY_RATE_LIMITED: RetryOn = RetryOn(1 << 14);
    /// gRPC status 1.
    pub const GRPC_CANCELLED: RetryOn = RetryOn(1 << 8);
    /// gRPC status 4.
    pub const GRPC_DEADLINE_EXCEEDED: RetryOn = RetryOn(1 << 9);
    /// gRPC status 13.
    pub const GRPC_INTERNAL: RetryOn = RetryOn(1 << 10);
    /// gRPC status 8.
    pub const GRPC_RESOURCE_EXHAUSTED: RetryOn = RetryOn(1 << 11);
    /// gRPC status 14.
    pub const GRPC_UNAVAILABLE: RetryOn = RetryOn(1 << 12);

    /// Envoy's words.
    const WORDS: [(&'static str, RetryOn); 15] = [
        ("5xx", RetryOn::SERVER_ERROR),
        ("gateway-error", RetryOn::GATEWAY_ERROR),
        ("reset", RetryOn::RESET),
        ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
        ("connect-failure", RetryOn::CONNECT_FAILURE),
        ("refused-stream", RetryOn::REFUSED_STREAM),
        ("retriable-4xx", RetryOn::RETRIABLE_4XX),
        ("retriable-status-codes", RetryOn::RETRIABLE_STATUS_CODES),
        ("retriable-headers", RetryOn::RETRIABLE_HEADERS),
        ("envoy-ratelimited", RetryOn::ENVOY_RATE_LIMITED),
        ("cancelled", RetryOn::GRPC_CANCELLED),
        ("deadline-exceeded", RetryOn::GRPC_DEADLINE_EXCEEDED),
        ("internal", RetryOn::GRPC_INTERNAL),
        ("resource-exhausted", RetryOn::GRPC_RESOURCE_EXHAUSTED),
        ("unavailable", RetryOn::GRPC_UNAVAILABLE),
    ];

    /// Both sets together.
    pub const fn and(self, other: RetryOn) -> RetryOn {
        RetryOn(self.0 | other.0)
    }

    /// Whether every condition of `other` is in the set.
    pub const fn contains(self, other: RetryOn) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no condition.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The condition that Envoy calls `word`.
    pub fn from_word(word: &str) -> Option<RetryOn> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, on)| *on)
    }

    /// Envoy's words, in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().filter(move |(_, on)| self.contains(*on)).map(|(word, _)| *word)
    }

    /// Every word that [`RetryOn::from_word`] knows.
    pub fn all_words() -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().map(|(word, _)| *word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_words_round_trip() {
        for word in RetryOn::all_words() {
            let on = RetryOn::from_word(word);
            assert_eq!(on.map(|on| on.words().collect::<Vec<_>>()), Some(vec![word]));
        }
        for (word, growth) in Growth::WORDS {
            assert_eq!((growth.word(), Growth::from_word(word)), (word, Some(growth)));
        }
        for (word, jitter) in Jitter::WORDS {
            assert_eq!((jitter.word(), Jitter::from_word(word)), (word, Some(jitter)));
        }
        assert_eq!(RetryOn::from_word("5XX"), None);
        let set = RetryOn::SERVER_ERROR.and(RetryOn::RESET);
        assert!(set.contains(RetryOn::RESET) && !set.contains(RetryOn::CONNECT_FAILURE));
    }
}
