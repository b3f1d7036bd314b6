//! Which requests wait or fail on purpose. The dice are an argument; waiting is the proxy's.

use std::time::Duration;

use http::HeaderMap;
use ripstop_model::Percent;
use ripstop_model::fault::{AbortWith, DelayTime, Fault};

use crate::route::RequestHead;
use crate::route::header::HeaderMatcher;
use crate::route::text::RegexError;

/// Headers by which a request asks for its own fault.
const DELAY: &str = "x-envoy-fault-delay-request";
const DELAY_SHARE: &str = "x-envoy-fault-delay-request-percentage";
const ABORT: &str = "x-envoy-fault-abort-request";
const ABORT_GRPC: &str = "x-envoy-fault-abort-grpc-request";
const ABORT_SHARE: &str = "x-envoy-fault-abort-request-percentage";

/// A compiled [`Fault`].
#[derive(Clone, Debug)]
pub struct FaultInjector {
    config: Fault,
    headers: Vec<HeaderMatcher>,
}

/// What is done to one request: it waits first, and fails then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// How long it waits.
    pub delay: Option<Duration>,
    /// The error that it gets.
    pub abort: Option<Abort>,
}

/// The error that a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// An HTTP status.
    Http(u16),
    /// A status of gRPC.
    Grpc(u32),
}

impl FaultInjector {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(config: &Fault) -> Result<FaultInjector, RegexError> {
        let headers = config.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?;
        Ok(FaultInjector { config: config.clone(), headers })
    }

    /// Most requests that may be delayed at once.
    pub fn max_active(&self) -> Option<u32> {
        self.config.max_active
    }

    /// What is done to a request for `cluster` (`None`: nobody knows yet). Each dice is a number below a million.
    pub fn decide(&self, request: &RequestHead<'_>, cluster: Option<&str>, dice: (u32, u32)) -> Injection {
        let target = &self.config.upstream_cluster;
        let concerns = target.is_empty() || cluster == Some(&**target);
        if !concerns || !self.headers.iter().all(|header| header.matches(request)) {
            return Injection::default();
        }
        let headers = request.headers;
        let delay = self.config.delay.and_then(|delay| {
            let time = match delay.time {
                DelayTime::Fixed(time) => time,
                DelayTime::Header => Duration::from_millis(number(headers, DELAY)?),
            };
            let by_header = delay.time == DelayTime::Header;
            hit(share(headers, by_header, DELAY_SHARE, delay.share), dice.0).then_some(time)
        });
        let abort = self.config.abort.and_then(|abort| {
            let with = match abort.with {
                AbortWith::Http(status) => Abort::Http(status),
                AbortWith::Grpc(status) => Abort::Grpc(status),
                AbortWith::Header => asked_for(headers)?,
            };
            let by_header = abort.with == AbortWith::Header;
            hit(share(headers, by_header, ABORT_SHARE, abort.share), dice.1).then_some(with)
        });
        Injection { delay: delay.filter(|time| !time.is_zero()), abort }
    }
}

/// What a request asks for; a status of HTTP goes before one of gRPC.
fn asked_for(headers: &HeaderMap) -> Option<Abort> {
    let http = number(headers, ABORT).and_then(|status| u16::try_from(status).ok());
    let http = http.filter(|status| (200..600).contains(status)).map(Abort::Http);
    http.or_else(|| number(headers, ABORT_GRPC).and_then(|code| u32::try_from(code).ok()).map(Abort::Grpc))
}

/// A request can ask for less than the configured share, not for more.
fn share(headers: &HeaderMap, by_header: bool, name: &str, configured: Percent) -> Percent {
    let asked = by_header.then(|| number(headers, name)).flatten();
    // Envoy reads the header in the denominator of the configuration, which is a hundred where nobody says otherwise.
    let asked = asked.map(|percent| Percent::whole(u32::try_from(percent).unwrap_or(100)));
    asked.map_or(configured, |asked| asked.min(configured))
}

fn hit(share: Percent, dice: u32) -> bool {
    dice < share.as_per_million()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_model::fault::{FaultAbort, FaultDelay};
    use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn check(fault: &Fault, request: &HeaderMap, cluster: &str, dice: (u32, u32), expected: Injection) {
        let injector = FaultInjector::compile(fault).unwrap();
        let found = injector.decide(&RequestHead::get("a", "/", request), Some(cluster), dice);
        assert_eq!(found, expected, "{fault:?} {request:?} {dice:?}");
    }

    #[test]
    fn shares_are_exact_to_the_millionth() {
        let time = Duration::from_millis(5);
        let fault = Fault {
            delay: Some(FaultDelay { time: DelayTime::Fixed(time), share: Percent::per_million(10) }),
            abort: Some(FaultAbort { with: AbortWith::Http(503), share: Percent::whole(50) }),
            ..Fault::default()
        };
        let none = headers(&[]);
        let (delay, abort) = (Some(time), Some(Abort::Http(503)));
        check(&fault, &none, "c", (9, 499_999), Injection { delay, abort });
        check(&fault, &none, "c", (10, 499_999), Injection { delay: None, abort });
        check(&fault, &none, "c", (9, 500_000), Injection { delay, abort: None });
    }

    #[test]
    fn requests_may_ask_for_their_own_fault_but_not_for_more_than_the_share() {
        let fault = Fault {
            delay: Some(FaultDelay { time: DelayTime::Header, share: Percent::whole(50) }),
            abort: Some(FaultAbort { with: AbortWith::Header, share: Percent::ALL }),
            ..Fault::default()
        };
        let delay = |ms| Some(Duration::from_millis(ms));
        check(&fault, &headers(&[]), "c", (0, 0), Injection::default());
        let asks = headers(&[(DELAY, "20"), (ABORT, "404"), (ABORT_GRPC, "14")]);
        check(&fault, &asks, "c", (0, 0), Injection { delay: delay(20), abort: Some(Abort::Http(404)) });
        let less = headers(&[(DELAY, "20"), (DELAY_SHARE, "10"), (ABORT_GRPC, "14"), (ABORT_SHARE, "1")]);
        check(&fault, &less, "c", (99_999, 9_999), Injection { delay: delay(20), abort: Some(Abort::Grpc(14)) });
        check(&fault, &less, "c", (100_000, 10_000), Injection::default());
        let more = headers(&[(DELAY, "20"), (DELAY_SHARE, "100")]);
        check(&fault, &more, "c", (500_000, 0), Injection::default());
        let nonsense = headers(&[(DELAY, "soon"), (ABORT, "99")]);
        check(&fault, &nonsense, "c", (0, 0), Injection::default());
    }

    #[test]
    fn only_the_requests_that_are_meant_are_hit() {
        let fault = Fault {
            abort: Some(FaultAbort { with: AbortWith::Grpc(8), share: Percent::ALL }),
            upstream_cluster: "c".into(),
            headers: vec![HeaderMatch {
                name: "x-test".into(),
                value: HeaderValueMatch::Present(true),
                invert: false,
                treat_missing_as_empty: false,
            }],
            ..Fault::default()
        };
        let hit = Injection { delay: None, abort: Some(Abort::Grpc(8)) };
        check(&fault, &headers(&[("x-test", "")]), "c", (0, 0), hit);
        check(&fault, &headers(&[("x-test", "")]), "d", (0, 0), Injection::default());
        check(&fault, &headers(&[]), "c", (0, 0), Injection::default());
    }
}
