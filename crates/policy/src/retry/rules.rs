//! A retry policy ready for requests, and what it reads off an answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};
use ripstop_model::route::{RateLimitedBackoff, ResetFormat, ResetHeader, RetryOn, RetryPolicy};

use super::{Attempt, AttemptOutcome};
use crate::grpc;
use crate::route::RequestHead;
use crate::route::header::HeaderMatcher;
use crate::route::text::RegexError;

/// A compiled [`RetryPolicy`].
#[derive(Clone, Debug)]
pub struct RetryRules {
    pub(super) policy: RetryPolicy,
    answer_headers: Vec<HeaderMatcher>,
    request_headers: Vec<HeaderMatcher>,
}

/// Conditions that ask for headers of answers, whatever their status.
const BY_HEADERS: [RetryOn; 7] = [
    RetryOn::RETRIABLE_HEADERS,
    RetryOn::ENVOY_RATE_LIMITED,
    RetryOn::GRPC_CANCELLED,
    RetryOn::GRPC_DEADLINE_EXCEEDED,
    RetryOn::GRPC_INTERNAL,
    RetryOn::GRPC_RESOURCE_EXHAUSTED,
    RetryOn::GRPC_UNAVAILABLE,
];

impl RetryRules {
    /// Compiles a policy.
    ///
    /// # Errors
    /// A regular expression of a header cannot be compiled.
    pub fn compile(policy: &RetryPolicy) -> Result<Arc<RetryRules>, RegexError> {
        let compile = |headers: &[HeaderMatch]| {
            headers.iter().map(HeaderMatcher::compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(Arc::new(RetryRules {
            policy: policy.clone(),
            answer_headers: compile(&policy.retriable_headers)?,
            request_headers: compile(&policy.retriable_request_headers)?,
        }))
    }

    /// One retry with Envoy's back-off on the given conditions.
    pub(super) fn on(on: RetryOn) -> RetryRules {
        let policy = RetryPolicy::on(on);
        RetryRules { policy, answer_headers: Vec::new(), request_headers: Vec::new() }
    }

    /// What it was compiled from.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Whether the request is of those that are retried at all.
    pub fn concerns(&self, request: &RequestHead<'_>) -> bool {
        self.request_headers.is_empty() || self.request_headers.iter().any(|header| header.matches(request))
    }

    /// An answer as a try; `now` is what the wall clock says, for headers that name a time.
    pub fn answer(&self, status: u16, headers: &HeaderMap, now: SystemTime) -> Attempt {
        let on = |condition| self.policy.on.contains(condition);
        // Most answers are good, and their headers need not be looked at.
        let good = status < 400 && !self.policy.retriable_statuses.contains(&status);
        if good && !BY_HEADERS.into_iter().any(on) {
            return Attempt::new(AttemptOutcome::Status(status));
        }
        let limited = &self.policy.rate_limited;
        Attempt {
            grpc_status: grpc::status(headers),
            overloaded: headers.contains_key("x-envoy-overloaded"),
            rate_limited: headers.contains_key("x-envoy-ratelimited"),
            retriable_header: on(RetryOn::RETRIABLE_HEADERS)
                && self.answer_headers.iter().any(|header| header.matches_answer(headers)),
            reset_after: limited.as_ref().and_then(|limited| reset_after(limited, headers, now)),
            ..Attempt::new(AttemptOutcome::Status(status))
        }
    }

    /// Retries on one more header, whatever its value.
    pub(super) fn add_answer_header(&mut self, name: &str) {
        let header = HeaderMatch {
            name: name.to_ascii_lowercase().into(),
            value: HeaderValueMatch::Present(true),
            invert: false,
            treat_missing_as_empty: false,
        };
        // Without a pattern there is nothing that could not be compiled.
        self.answer_headers.extend(HeaderMatcher::compile(&header));
    }
}

/// The wait that an answer asks for: that of the first header that can be read and asks for no more than is believed. As in
/// Envoy, a second or less is not worth deviating for.
fn reset_after(limited: &RateLimitedBackoff, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let wait = |header: &ResetHeader| {
        let number =
            headers.get(&*header.name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)?;
        let wait = match header.format {
            ResetFormat::Seconds => number,
            ResetFormat::UnixTimestamp => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                number.checked_sub(Duration::from_secs(now.as_secs())).filter(|left| !left.is_zero())?
            }
        };
        Some(wait).filter(|wait| *wait <= limited.max)
    };
    limited.headers.iter().find_map(wait).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_first_header_that_can_be_believed_says_how_long() {
        let header = |name: &str, format| ResetHeader { name: name.into(), format };
        let limited = RateLimitedBackoff {
            headers: vec![
                header("retry-after", ResetFormat::Seconds),
                header("x-ratelimit-reset", ResetFormat::UnixTimestamp),
            ],
            max: Duration::from_secs(300),
        };
        let now = UNIX_EPOCH + Duration::from_millis(1_000_500);
        let check = |lines: &[(&'static str, &'static str)], expected: Option<u64>| {
            let headers: HeaderMap = lines
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(
                reset_after(&limited, &headers, now).map(|wait| wait.as_secs()),
                expected,
                "{lines:?}"
            );
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7));
        check(&[("retry-after", " 300 ")], Some(300));
        check(&[("retry-after", "301")], None);
        check(&[("retry-after", "0")], None);
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], None);
        check(&[("retry-after", "-1")], None);
        check(&[("x-ratelimit-reset", "1060")], Some(60));
        check(&[("x-ratelimit-reset", "1000")], None);
        check(&[("x-ratelimit-reset", "900")], None);
        check(&[("retry-after", "soon"), ("x-ratelimit-reset", "1003")], Some(3));
        check(&[("retry-after", "5"), ("x-ratelimit-reset", "1003")], Some(5));
        check(&[("retry-after", "999"), ("x-ratelimit-reset", "1003")], Some(3));
    }
}
