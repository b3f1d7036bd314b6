//! When and how a request is tried again. Whether it may be is `ripstop-policy`'s to decide.

use std::time::Duration;

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
    /// Waiting before a retry: full jitter over `base × 2^n`, at most `max`.
    pub backoff: Backoff,
    /// A retry goes to a host that has not been tried (`previous_hosts`).
    pub avoid_previous_hosts: bool,
    /// How often another host is looked for before the same one is taken again.
    pub host_selection_attempts: u32,
    /// Retries whatever the method. Off by default: what may not be repeated is retried only when the
    /// upstream has provably not processed it. Travels as `filter_metadata["ripstop"]`.
    pub any_method: bool,
    /// Response statuses that `retriable-status-codes` means.
    pub retriable_statuses: Vec<u16>,
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
            avoid_previous_hosts: false,
            host_selection_attempts: 1,
            any_method: false,
            retriable_statuses: Vec::new(),
        }
    }
}

/// Exponential back-off with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait before the first retry. Not zero.
    pub base: Duration,
    /// Longest wait of all; not below `base`.
    pub max: Duration,
}

impl Default for Backoff {
    /// Envoy's 25 ms, at most ten times that.
    fn default() -> Backoff {
        Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) }
    }
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
    const WORDS: [(&'static str, RetryOn); 13] = [
        ("5xx", RetryOn::SERVER_ERROR),
        ("gateway-error", RetryOn::GATEWAY_ERROR),
        ("reset", RetryOn::RESET),
        ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
        ("connect-failure", RetryOn::CONNECT_FAILURE),
        ("refused-stream", RetryOn::REFUSED_STREAM),
        ("retriable-4xx", RetryOn::RETRIABLE_4XX),
        ("retriable-status-codes", RetryOn::RETRIABLE_STATUS_CODES),
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
        assert_eq!(RetryOn::from_word("5XX"), None);
        let set = RetryOn::SERVER_ERROR.and(RetryOn::RESET);
        assert!(set.contains(RetryOn::RESET) && !set.contains(RetryOn::CONNECT_FAILURE));
    }
}
