//! Which outcomes a retry policy names: Envoy's `retry_on`. Whether the request may be repeated is not asked here.

use ripstop_model::route::{RetryOn, RetryPolicy};

use super::{Attempt, AttemptOutcome};

/// gRPC status codes and the conditions that name them.
const GRPC: [(u32, RetryOn); 5] = [
    (1, RetryOn::GRPC_CANCELLED),
    (4, RetryOn::GRPC_DEADLINE_EXCEEDED),
    (8, RetryOn::GRPC_RESOURCE_EXHAUSTED),
    (13, RetryOn::GRPC_INTERNAL),
    (14, RetryOn::GRPC_UNAVAILABLE),
];

/// Whether the policy names what became of the try. As in Envoy, a request that got no response counts as the 5xx that
/// the client would be answered with, so `5xx` and `gateway-error` name it as well.
pub fn names(policy: &RetryPolicy, attempt: &Attempt) -> bool {
    let on = |condition| policy.on.contains(condition);
    match attempt.outcome {
        // As in Envoy, whoever limits the rate is asked again only by who says so.
        AttemptOutcome::Status(_) if attempt.rate_limited => on(RetryOn::ENVOY_RATE_LIMITED),
        AttemptOutcome::Status(status) => {
            (on(RetryOn::SERVER_ERROR) && (500..600).contains(&status))
                || (on(RetryOn::GATEWAY_ERROR) && matches!(status, 502..=504))
                || (on(RetryOn::RETRIABLE_4XX) && status == 409)
                || (on(RetryOn::RETRIABLE_STATUS_CODES) && policy.retriable_statuses.contains(&status))
                || (on(RetryOn::RETRIABLE_HEADERS) && attempt.retriable_header)
                || GRPC.iter().any(|&(code, condition)| attempt.grpc_status == Some(code) && on(condition))
        }
        outcome => {
            on(RetryOn::SERVER_ERROR)
                || on(RetryOn::GATEWAY_ERROR)
                || on(RetryOn::RESET)
                || (on(RetryOn::CONNECT_FAILURE) && outcome == AttemptOutcome::ConnectFailure)
                || (on(RetryOn::REFUSED_STREAM) && outcome == AttemptOutcome::RefusedStream)
                || (on(RetryOn::RESET_BEFORE_REQUEST) && !attempt.request_sent)
        }
    }
}
