//! The time limits of one request, from what its route says and what its headers ask for. Whoever waits sets the timers.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use ripstop_model::route_times::{MaxStreamDuration, RouteTimes};

use crate::{envoy_headers, grpc};

const UPSTREAM_RQ_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-timeout-ms");
const PER_TRY_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-per-try-timeout-ms");
const EXPECTED_RQ_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// What decides besides the headers of a request.
pub struct Limits<'a> {
    /// The route's timeout; `None`: no limit.
    pub timeout: Option<Duration>,
    /// Its other limits.
    pub times: &'a RouteTimes,
    /// What one try may take; zero and `None`: no limit.
    pub per_try: Option<Duration>,
    /// What the connection manager says of the life of a stream; zero and `None`: no limit.
    pub manager_max_stream: Option<Duration>,
    /// `x-envoy-expected-rq-timeout-ms` of the request counts.
    pub respect_expected: bool,
}

/// The limits of one request. `None` is always no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTimes {
    /// From the end of the request to the end of its answer.
    pub timeout: Option<Duration>,
    /// The same for one try.
    pub per_try: Option<Duration>,
    /// From the head of the request to the end of its answer.
    pub max_stream: Option<Duration>,
    /// `grpc-timeout` says what is left.
    announce_to_grpc: bool,
}

impl RequestTimes {
    /// Reads the headers that ask for times, and removes those that are meant for us alone.
    pub fn of(limits: &Limits<'_>, headers: &mut HeaderMap) -> RequestTimes {
        let call = grpc::is_grpc(headers);
        let mut times = RequestTimes { max_stream: max_stream(limits, headers), ..RequestTimes::default() };
        match (limits.times.max_stream, limits.times.max_grpc_timeout) {
            // A limit for the life of the stream takes the place of the timeout.
            (Some(_), _) => {}
            (None, Some(most)) if call => {
                times.timeout = grpc_timeout(limits.times, most, headers);
                times.announce_to_grpc = true;
            }
            (None, _) => times.timeout = limits.timeout,
        }
        times.per_try = limits.per_try.filter(|limit| !limit.is_zero());
        let asks = envoy_headers::any(headers);
        let respected = asks && limits.respect_expected;
        let expected = respected.then(|| millis(headers.get(EXPECTED_RQ_TIMEOUT))).flatten();
        let mut taken = |name| asks.then(|| headers.remove(name)).flatten();
        let asked = millis(taken(UPSTREAM_RQ_TIMEOUT).as_ref());
        if let Some(asked) = expected.or(asked) {
            times.timeout = Some(asked).filter(|asked| !asked.is_zero());
        }
        if let Some(asked) = millis(taken(PER_TRY_TIMEOUT).as_ref()) {
            times.per_try = Some(asked).filter(|asked| !asked.is_zero());
        }
        times.per_try = times.per_try.filter(|limit| times.timeout.is_none_or(|timeout| *limit < timeout));
        if let Some(limit) = times.max_stream
            && call
            && limits.times.max_stream.is_some()
            && let Some(value) = grpc::timeout_value(limit)
        {
            headers.insert(grpc::GRPC_TIMEOUT, value);
        }
        times
    }

    /// Tells the upstream how long its answer is waited for, `elapsed` after the request was whole.
    pub fn announce(&self, headers: &mut HeaderMap, elapsed: Duration, expected_header: bool) {
        let Some(mut expected) = self.per_try.or(self.timeout) else { return };
        if let Some(timeout) = self.timeout {
            // Zero would be no limit at all.
            let left = timeout.saturating_sub(elapsed).max(Duration::from_millis(1));
            expected = expected.min(left);
        }
        if expected_header && let Ok(expected) = u64::try_from(expected.as_millis()) {
            headers.insert(EXPECTED_RQ_TIMEOUT, HeaderValue::from(expected));
        }
        if self.announce_to_grpc
            && let Some(value) = grpc::timeout_value(expected)
        {
            headers.insert(grpc::GRPC_TIMEOUT, value);
        }
    }
}

fn millis(value: Option<&HeaderValue>) -> Option<Duration> {
    let millis = value?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// The time of a call as the older fields have it.
fn grpc_timeout(times: &RouteTimes, most: Duration, headers: &HeaderMap) -> Option<Duration> {
    let mut limit = grpc::timeout(headers).unwrap_or_default();
    if let Some(offset) = times.grpc_timeout_offset.filter(|offset| *offset < limit) {
        limit -= offset;
    }
    if !most.is_zero() && (limit.is_zero() || limit > most) {
        limit = most;
    }
    Some(limit).filter(|limit| !limit.is_zero())
}

/// How long the stream may live. A time that is used up already is zero.
fn max_stream(limits: &Limits<'_>, headers: &HeaderMap) -> Option<Duration> {
    let MaxStreamDuration { max, grpc_header_max, grpc_header_offset } =
        limits.times.max_stream.unwrap_or_default();
    let told = grpc_header_max.and_then(|most| Some((most, grpc::timeout(headers)?)));
    let Some((most, mut limit)) = told else {
        return max.or(limits.manager_max_stream).filter(|limit| !limit.is_zero());
    };
    if !most.is_zero() {
        limit = limit.min(most);
    }
    Some(limit.saturating_sub(grpc_header_offset.unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn of(times: RouteTimes, lines: &[(&'static str, &'static str)]) -> (RequestTimes, HeaderMap) {
        let limits = Limits {
            timeout: ms(300),
            times: &times,
            per_try: ms(200),
            manager_max_stream: None,
            respect_expected: false,
        };
        let mut headers = map(lines);
        let times = RequestTimes::of(&limits, &mut headers);
        times.announce(&mut headers, Duration::ZERO, true);
        (times, headers)
    }

    #[test]
    fn headers_change_what_the_route_says() {
        let (times, headers) = of(RouteTimes::default(), &[]);
        assert_eq!((times.timeout, times.per_try, times.max_stream), (ms(300), ms(200), None));
        assert_eq!(headers, map(&[("x-envoy-expected-rq-timeout-ms", "200")]));
        let (times, headers) = of(
            RouteTimes::default(),
            &[("x-envoy-upstream-rq-timeout-ms", "100"), ("x-envoy-upstream-rq-per-try-timeout-ms", "50")],
        );
        assert_eq!((times.timeout, times.per_try), (ms(100), ms(50)));
        assert_eq!(headers, map(&[("x-envoy-expected-rq-timeout-ms", "50")]));
        // A try that may take longer than all of them has no limit of its own.
        let (times, _) = of(RouteTimes::default(), &[("x-envoy-upstream-rq-timeout-ms", "100")]);
        assert_eq!((times.timeout, times.per_try), (ms(100), None));
        let (times, _) = of(RouteTimes::default(), &[("x-envoy-upstream-rq-timeout-ms", "0")]);
        assert_eq!((times.timeout, times.per_try), (None, ms(200)));
    }

    #[test]
    fn a_limit_for_the_stream_takes_the_place_of_the_timeout() {
        let max_stream =
            Some(MaxStreamDuration { max: ms(700), grpc_header_max: ms(250), grpc_header_offset: ms(50) });
        let times = RouteTimes { max_stream, ..RouteTimes::default() };
        assert_eq!(of(times, &[]).0.timeout, None);
        assert_eq!(of(times, &[]).0.max_stream, ms(700));
        let call = |text| of(times, &[("content-type", "application/grpc"), ("grpc-timeout", text)]);
        let (limits, headers) = call("1S");
        assert_eq!((limits.max_stream, &headers["grpc-timeout"]), (ms(200), &"200m".parse().unwrap()));
        assert_eq!(call("10m").0.max_stream, ms(0));
        assert_eq!(call("bad").0.max_stream, ms(700));
    }

    #[test]
    fn the_older_limits_of_calls_still_count() {
        let times =
            RouteTimes { max_grpc_timeout: ms(500), grpc_timeout_offset: ms(10), ..RouteTimes::default() };
        let call = |text| of(times, &[("content-type", "application/grpc"), ("grpc-timeout", text)]);
        assert_eq!(call("200m").0.timeout, ms(190));
        assert_eq!(call("190m").1["grpc-timeout"], "180m");
        assert_eq!(call("9S").0.timeout, ms(500));
        assert_eq!(of(times, &[("content-type", "application/grpc")]).0.timeout, ms(500));
        assert_eq!(of(times, &[]).0.timeout, ms(300));
    }
}
