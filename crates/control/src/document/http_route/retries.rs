//! Reads `HTTPRetry`.

use ripstop_model::route::RetryOn;
use ripstop_yaml::{Reader, nearest};

use crate::document::common::positive_duration;
use crate::resource::Retries;

/// Most retries that a rule may ask for.
const MAX_ATTEMPTS: u32 = 1000;

/// Words that Envoy knows in `retryOn` and our proxies do not.
const WORDS_NOT_IN_FORCE: [&str; 1] = ["http3-post-connect-failure"];

pub(in crate::document) fn decode(reader: Reader<'_>) -> Retries {
    let attempts = reader.u32("attempts").unwrap_or(0);
    if attempts > MAX_ATTEMPTS {
        reader.error("attempts", format!("at most {MAX_ATTEMPTS} attempts are made"));
    }
    let (on, statuses) = retry_on(&reader);
    let retries = Retries {
        attempts,
        per_try_timeout: reader.duration("perTryTimeout").filter(|timeout| !timeout.is_zero()),
        on,
        statuses,
        backoff: positive_duration(&reader, "backoff"),
        ignore_previous_hosts: !reader.bool("retryIgnorePreviousHosts").unwrap_or(true),
        remote_localities: reader.bool("retryRemoteLocalities").unwrap_or(false),
    };
    reader.finish();
    retries
}

/// Envoy's words and statuses, separated by commas.
fn retry_on(reader: &Reader<'_>) -> (Option<RetryOn>, Vec<u16>) {
    let Some(text) = reader.str("retryOn") else { return (None, Vec::new()) };
    let (mut on, mut statuses) = (RetryOn::default(), Vec::new());
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Some(condition) = RetryOn::from_word(word) {
            on = on.and(condition);
        } else if let Some(status) = word.parse().ok().filter(|status| (200..=599).contains(status)) {
            on = on.and(RetryOn::RETRIABLE_STATUS_CODES);
            statuses.push(status);
        } else if WORDS_NOT_IN_FORCE.contains(&word) {
            reader.warn("retryOn", format!("understood, but not in force: nothing is retried on `{word}`"));
        } else {
            let help = match nearest(word, RetryOn::all_words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write statuses or {}", RetryOn::all_words().collect::<Vec<_>>().join(", ")),
            };
            reader.error_with_help("retryOn", format!("`{word}` is not a condition"), help);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    (Some(on).filter(|on| !on.is_empty()), statuses)
}
