//! How Envoy names the endpoint of a session in a cookie or header: base64 of its `envoy.Cookie` (address and end), or, as
//! older ones did and headers still do, of the bare address.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::binder::base64;

/// `envoy.Cookie`
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(string, tag = "1")]
    address: String,
    /// Seconds since 1970; 0: never.
    #[prost(int64, tag = "2")]
    expires: i64,
}

/// The address that a cookie names; `None`: none, or no more.
pub fn read(value: &str, now: SystemTime) -> Option<String> {
    let bytes = base64::decode(value)?;
    let Ok(wire) = Wire::decode(bytes.as_slice()) else { return text(bytes) };
    let over = wire.expires != 0 && seconds(now) > wire.expires;
    (!over && !wire.address.is_empty()).then_some(wire.address)
}

/// The value of a cookie for this address; `ttl`: how long it is good.
pub fn write(address: &str, ttl: Option<Duration>, now: SystemTime) -> String {
    let expires = ttl
        .filter(|ttl| ttl.as_secs() > 0)
        .map_or(0, |ttl| seconds(now).saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)));
    base64::encode(&Wire { address: address.to_owned(), expires }.encode_to_vec())
}

/// The address that a header names.
pub fn read_header(value: &str) -> Option<String> {
    text(base64::decode(value)?)
}

/// The value of a header for this address.
pub fn write_header(address: &str) -> String {
    base64::encode(address.as_bytes())
}

/// What is no text is no address that any endpoint has.
fn text(bytes: Vec<u8>) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn seconds(now: SystemTime) -> i64 {
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_cookies_are_read_and_written() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_819_400);
        let ttl = Some(Duration::from_secs(120));
        // From a real Envoy 1.40.
        let (address, value) = ("127.0.0.1:1", "CgsxMjcuMC4wLjE6MRCAkKjYBg==");
        assert_eq!(write(address, ttl, now), value);
        assert_eq!(read(value, now + Duration::from_secs(120)).as_deref(), Some(address));
        assert_eq!(read(value, now + Duration::from_secs(121)), None, "its time is over");
        for ttl in [None, Some(Duration::ZERO)] {
            assert_eq!(write(address, ttl, now), "CgsxMjcuMC4wLjE6MQ==");
        }
        assert_eq!(read("CgsxMjcuMC4wLjE6MQ==", now).as_deref(), Some(address));
    }

    #[test]
    fn the_older_form_is_read_and_nonsense_names_nobody_or_nobody_known() {
        let now = UNIX_EPOCH;
        assert_eq!(read("MTI3LjAuMC4xOjE5OTEx", now).as_deref(), Some("127.0.0.1:19911"));
        assert_eq!(read("bm9uc2Vuc2U=", now).as_deref(), Some("nonsense"));
        for nothing in ["", "garbage!", "EAE="] {
            assert_eq!(read(nothing, now), None, "{nothing}");
        }
        assert_eq!(write_header("127.0.0.1:2"), "MTI3LjAuMC4xOjI=");
        assert_eq!(read_header("MTI3LjAuMC4xOjI=").as_deref(), Some("127.0.0.1:2"));
        assert_eq!((read_header(""), read_header("?")), (None, None));
    }
}
