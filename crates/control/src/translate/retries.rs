//! When requests are tried again: what is written, or what Istio does where nothing is.

use ripstop_model::route::{Backoff, RetryOn, RetryPolicy};

use crate::resource::Retries;

/// What Istio retries on where nobody says.
const DEFAULT_RETRY_ON: RetryOn = RetryOn::CONNECT_FAILURE
    .and(RetryOn::REFUSED_STREAM)
    .and(RetryOn::GRPC_UNAVAILABLE)
    .and(RetryOn::GRPC_CANCELLED);
/// How often Istio retries where nobody says.
const DEFAULT_ATTEMPTS: u32 = 2;
/// How often Istio looks for a host that has not been tried.
const HOST_SELECTION_ATTEMPTS: u32 = 5;
/// After how many tries Istio leaves the localities alone that were tried, where that is wanted.
const TRIES_OF_A_LOCALITY: u32 = 2;
/// The longest back-off as a multiple of the shortest, as in Envoy.
const MAX_BACKOFF_FACTOR: u32 = 10;

pub(super) fn retry_policy(retries: Option<&Retries>) -> Option<RetryPolicy> {
    let Some(retries) = retries else {
        return Some(RetryPolicy {
            num_retries: DEFAULT_ATTEMPTS,
            avoid_previous_hosts: true,
            host_selection_attempts: HOST_SELECTION_ATTEMPTS,
            ..RetryPolicy::on(DEFAULT_RETRY_ON)
        });
    };
    if retries.attempts == 0 {
        return None;
    }
    let backoff =
        retries.backoff.map(|base| Backoff::exponential(base, base.saturating_mul(MAX_BACKOFF_FACTOR)));
    Some(RetryPolicy {
        num_retries: retries.attempts,
        per_try_timeout: retries.per_try_timeout,
        backoff: backoff.unwrap_or_default(),
        avoid_previous_hosts: !retries.ignore_previous_hosts,
        avoid_previous_priorities: retries.remote_localities.then_some(TRIES_OF_A_LOCALITY),
        host_selection_attempts: if retries.ignore_previous_hosts { 1 } else { HOST_SELECTION_ATTEMPTS },
        retriable_statuses: retries.statuses.clone(),
        ..RetryPolicy::on(retries.on.unwrap_or(DEFAULT_RETRY_ON))
    })
}
