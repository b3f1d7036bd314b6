//! Retries that a client inside the mesh asks for by headers, as Envoy lets it. Strangers' headers are gone by then.

use http::{HeaderMap, HeaderName};
use ripstop_model::route::{RetryOn, RetryPolicy};

const RETRY_ON: HeaderName = HeaderName::from_static("x-envoy-retry-on");
const RETRY_GRPC_ON: HeaderName = HeaderName::from_static("x-envoy-retry-grpc-on");
const MAX_RETRIES: HeaderName = HeaderName::from_static("x-envoy-max-retries");
const RETRIABLE_STATUSES: HeaderName = HeaderName::from_static("x-envoy-retriable-status-codes");
const RETRIABLE_HEADERS: HeaderName = HeaderName::from_static("x-envoy-retriable-header-names");

/// The policy of the route together with what the headers ask for; `None`: they ask for nothing, the route's own
/// counts. The headers are for this proxy and are removed. Conditions and statuses add to those of the route, the number
/// of retries takes the place of the route's; what cannot be read is left out.
pub fn asked(policy: Option<&RetryPolicy>, headers: &mut HeaderMap) -> Option<RetryPolicy> {
    let mut text = |name: &HeaderName| headers.remove(name)?.to_str().map(str::to_owned).ok();
    let on = [text(&RETRY_ON), text(&RETRY_GRPC_ON)];
    let (max, statuses) = (text(&MAX_RETRIES), text(&RETRIABLE_STATUSES));
    headers.remove(&RETRIABLE_HEADERS);
    if on.iter().all(Option::is_none) && max.is_none() && statuses.is_none() {
        return None;
    }
    let words = on.iter().flatten().flat_map(|words| words.split(','));
    let on = words.filter_map(|word| RetryOn::from_word(word.trim())).fold(RetryOn::default(), RetryOn::and);
    let mut policy = policy.cloned().unwrap_or_else(|| RetryPolicy::on(RetryOn::default()));
    policy.on = policy.on.and(on);
    if policy.on.is_empty() {
        return None;
    }
    if let Some(max) = max.and_then(|max| max.trim().parse().ok()) {
        policy.num_retries = max;
    }
    let statuses = statuses.iter().flat_map(|list| list.split(','));
    policy.retriable_statuses.extend(statuses.filter_map(|status| status.trim().parse::<u16>().ok()));
    Some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(
        lines: &[(&'static str, &'static str)],
        policy: Option<&RetryPolicy>,
        expected: Option<(RetryOn, u32)>,
    ) {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = lines.collect();
        let found = asked(policy, &mut headers);
        assert_eq!(found.map(|policy| (policy.on, policy.num_retries)), expected);
        assert!(headers.is_empty(), "they are for this proxy: {headers:?}");
    }

    #[test]
    fn headers_add_conditions_and_set_the_number() {
        let (server, reset) = (RetryOn::SERVER_ERROR, RetryOn::RESET);
        check(&[], None, None);
        check(&[("x-envoy-retry-on", "5xx")], None, Some((server, 1)));
        check(&[("x-envoy-retry-on", "bogus,5xx , reset")], None, Some((server.and(reset), 1)));
        check(&[("x-envoy-max-retries", "2")], None, None);
        let policy = RetryPolicy { num_retries: 3, ..RetryPolicy::on(reset) };
        check(&[("x-envoy-max-retries", "0")], Some(&policy), Some((reset, 0)));
        check(&[("x-envoy-max-retries", "x")], Some(&policy), Some((reset, 3)));
        check(&[("x-envoy-retry-on", "5xx")], Some(&policy), Some((server.and(reset), 3)));
        check(&[("x-envoy-retry-grpc-on", "cancelled")], None, Some((RetryOn::GRPC_CANCELLED, 1)));
    }
}
