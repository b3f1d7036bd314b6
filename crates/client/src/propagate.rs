//! Which headers of a request an application passes on to the requests that it makes because of it. Which of them the mesh
//! acts on is `ripstop-policy`'s.

use http::HeaderMap;
use ripstop_policy::deadline::TIMEOUT_HEADER;
use ripstop_policy::retry::ATTEMPT_HEADER;

/// Passed on as they came: the number of the outer try, which keeps retries of several hops from multiplying, the time that
/// is left (somewhat too much, by what the application took), the
/// request id, and what the usual tracers need (W3C Trace Context and B3).
pub const HEADERS: [&str; 11] = [
    ATTEMPT_HEADER,
    TIMEOUT_HEADER,
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
];

/// Copies [`HEADERS`] from a request that is being served to one that is made because of it. What the latter has
/// already stays: a tracer in the application knows better.
pub fn propagate(served: &HeaderMap, made: &mut HeaderMap) {
    for name in HEADERS {
        if made.contains_key(name) {
            continue;
        }
        for value in served.get_all(name) {
            // A name of the list is a valid one.
            made.append(name, value.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderName;
    use http::Method;
    use ripstop_policy::retry::RequestFacts;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(line).collect()
    }

    #[test]
    fn what_belongs_to_the_request_as_a_whole_is_passed_on() {
        let served = headers(&[("x-request-id", "1"), ("traceparent", "2"), ("cookie", "3"), ("host", "4")]);
        let mut made = headers(&[("traceparent", "mine")]);
        propagate(&served, &mut made);
        assert_eq!(made, headers(&[("x-request-id", "1"), ("traceparent", "mine")]));
    }

    #[test]
    fn the_next_hop_learns_that_somebody_retries_already() {
        let mut made = HeaderMap::new();
        propagate(&headers(&[(ATTEMPT_HEADER, "2")]), &mut made);
        assert_eq!(RequestFacts::of(&Method::GET, &made).outer_attempt, Some(2));
    }
}
