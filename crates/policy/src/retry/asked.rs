//! Retries that a client inside the mesh asks for by headers, as Envoy lets it. Strangers' headers are gone by then.

use http::{HeaderMap, HeaderName};
use ripstop_model::route::RetryOn;

use super::rules::RetryRules;
use crate::envoy_headers;

const RETRY_ON: HeaderName = HeaderName::from_static("x-envoy-retry-on");
const RETRY_GRPC_ON: HeaderName = HeaderName::from_static("x-envoy-retry-grpc-on");
const MAX_RETRIES: HeaderName = HeaderName::from_static("x-envoy-max-retries");
const RETRIABLE_STATUSES: HeaderName = HeaderName::from_static("x-envoy-retriable-status-codes");
const RETRIABLE_HEADERS: HeaderName = HeaderName::from_static("x-envoy-retriable-header-names");
const HEDGE_ON_PER_TRY_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-hedge-on-per-try-timeout");

/// The rules of the route together with what the headers ask for; `None`: they ask for nothing, the route's own
/// count. The headers are for this proxy and are removed. Conditions, statuses and names of headers add to those of the
/// route, the number of retries takes the place of the route's; what cannot be read is left out.
pub fn asked(rules: Option<&RetryRules>, headers: &mut HeaderMap) -> Option<RetryRules> {
    if !envoy_headers::any(headers) {
        return None;
    }
    let mut text = |name: &HeaderName| headers.remove(name)?.to_str().map(str::to_owned).ok();
    let on = [text(&RETRY_ON), text(&RETRY_GRPC_ON)];
    let (max, statuses, names) = (text(&MAX_RETRIES), text(&RETRIABLE_STATUSES), text(&RETRIABLE_HEADERS));
    if on.iter().chain([&max, &statuses, &names]).all(|asked| asked.is_none()) {
        return None;
    }
    let words = on.iter().flatten().flat_map(|words| words.split(','));
    let on = words.filter_map(|word| RetryOn::from_word(word.trim())).fold(RetryOn::default(), RetryOn::and);
    let mut rules = rules.cloned().unwrap_or_else(|| RetryRules::on(RetryOn::default()));
    rules.policy.on = rules.policy.on.and(on);
    if rules.policy.on.is_empty() {
        return None;
    }
    if let Some(max) = max.and_then(|max| max.trim().parse().ok()) {
        rules.policy.num_retries = max;
    }
    let statuses = statuses.iter().flat_map(|list| list.split(','));
    rules.policy.retriable_statuses.extend(statuses.filter_map(|status| status.trim().parse::<u16>().ok()));
    let names = names.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty());
    names.for_each(|name| rules.add_answer_header(name));
    Some(rules)
}

/// Whether the request asks that a try that takes too long be raced by another; `None`: it does not say. The header is
/// for this proxy and is removed.
pub fn asked_to_hedge(headers: &mut HeaderMap) -> Option<bool> {
    if !envoy_headers::any(headers) {
        return None;
    }
    headers.remove(&HEDGE_ON_PER_TRY_TIMEOUT).map(|value| value == "true")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use ripstop_model::route::RetryPolicy;
    use std::time::SystemTime;

    fn check(
        lines: &[(&'static str, &'static str)],
        policy: Option<&RetryPolicy>,
        expected: Option<(RetryOn, u32)>,
    ) {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = lines.collect();
        let rules = policy.map(|policy| RetryRules::compile(policy).unwrap());
        let found = asked(rules.as_deref(), &mut headers);
        assert_eq!(found.map(|rules| (rules.policy.on, rules.policy.num_retries)), expected);
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

    #[test]
    fn headers_of_answers_can_be_named() {
        let mut headers = HeaderMap::new();
        headers.insert("x-envoy-retry-on", HeaderValue::from_static("retriable-headers"));
        headers.insert("x-envoy-retriable-header-names", HeaderValue::from_static("X-Again, ,x-too"));
        let rules = asked(None, &mut headers).unwrap();
        let mut answer = HeaderMap::new();
        assert!(!rules.answer(200, &answer, SystemTime::UNIX_EPOCH).retriable_header);
        answer.insert("x-again", HeaderValue::from_static("no"));
        assert!(rules.answer(200, &answer, SystemTime::UNIX_EPOCH).retriable_header);
        headers.insert("x-envoy-hedge-on-per-try-timeout", HeaderValue::from_static("true"));
        assert_eq!(asked_to_hedge(&mut headers), Some(true));
        assert_eq!(asked_to_hedge(&mut headers), None);
    }
}
