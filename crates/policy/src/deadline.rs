//! How the time that is left for a request travels from hop to hop, so that nobody works on what nobody waits for any more.
//!
//! Each hop tells the next how many milliseconds are left, not a time of day: clocks differ, and the way itself is short. A
//! hop that is told counts from the moment at which it has read the head of the request; its own limit may be shorter.

use std::time::Duration;

use http::HeaderMap;

/// The request header that says how many milliseconds are left for the answer. Proxies set it towards others of the mesh, and
/// wherever it came in. Applications pass it on to what they call, as they do with trace headers. A gateway removes it from
/// what comes from outside.
pub const TIMEOUT_HEADER: &str = "x-ripstop-timeout-ms";

/// The time that the sender of a request gives. What cannot be read is nothing.
pub fn told(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(TIMEOUT_HEADER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// What is left of a request's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLeft {
    /// What the sender gave, and how long ago.
    pub told: Option<(Duration, Duration)>,
    /// What the route gives, and how long ago that began to count.
    pub timeout: Option<(Duration, Duration)>,
}

impl TimeLeft {
    /// The shorter of both; `None`: there is no limit.
    pub fn shortest(self) -> Option<Duration> {
        let left =
            |limit: Option<(Duration, Duration)>| limit.map(|(limit, elapsed)| limit.saturating_sub(elapsed));
        left(self.told).into_iter().chain(left(self.timeout)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_shorter_time_counts() {
        let ms = Duration::from_millis;
        let check = |told, timeout, expected| assert_eq!(TimeLeft { told, timeout }.shortest(), expected);
        check(None, None, None);
        check(Some((ms(100), ms(30))), None, Some(ms(70)));
        check(None, Some((ms(100), ms(30))), Some(ms(70)));
        check(Some((ms(100), ms(30))), Some((ms(80), ms(20))), Some(ms(60)));
        check(Some((ms(100), ms(130))), Some((ms(80), ms(20))), Some(ms(0)));
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for (text, expected) in [("250", Some(250)), (" 0 ", Some(0)), ("-1", None), ("1s", None), ("", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT_HEADER, HeaderValue::from_static(text));
            assert_eq!(told(&headers), expected.map(Duration::from_millis), "{text}");
        }
        assert_eq!(told(&HeaderMap::new()), None);
    }
}
