//! `x-request-id`: a random UUID (RFC 9562, version 4), as Envoy's UUID request id extension makes it.

use http::{HeaderMap, HeaderValue};
use ripstop_model::http_manager::origin::RequestIds;

use super::headers::X_REQUEST_ID;

/// Length of a UUID in text, and where in it is said what is known of tracing.
const LENGTH: usize = 36;
const TRACE_REASON: usize = 14;

/// Where in the text each byte begins.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Makes sure that there is an id. At an edge the client's is replaced, or loses at least what it says of tracing.
pub fn apply(headers: &mut HeaderMap, rules: RequestIds, edge: bool, generate: impl FnOnce() -> HeaderValue) {
    match headers.get(X_REQUEST_ID) {
        Some(_) if !edge => {}
        Some(id) if rules.preserve_external => {
            let mut id = id.as_bytes().to_vec();
            if rules.pack_trace_reason && id.len() == LENGTH && id[TRACE_REASON] != b'4' {
                id[TRACE_REASON] = b'4';
                if let Ok(id) = HeaderValue::from_bytes(&id) {
                    headers.insert(X_REQUEST_ID, id);
                }
            }
        }
        _ => {
            headers.insert(X_REQUEST_ID, generate());
        }
    }
}

/// A new request id.
pub fn generate(rng: &mut fastrand::Rng) -> HeaderValue {
    let mut bits = rng.u128(..);
    // Version 4 in bits 48 to 51 of the text, variant 10 in bits 64 and 65.
    bits = (bits & !(0xF << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let mut text = [b'-'; LENGTH];
    for (byte, at) in bits.to_be_bytes().into_iter().zip(PLACES) {
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xF)];
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_uuids() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            let id = generate(&mut rng);
            let id = id.to_str().unwrap();
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4", "{id}");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
            assert_eq!(id.bytes().filter(|b| *b == b'-').count(), 4);
        }
    }

    #[test]
    fn an_edge_gives_its_own_id_unless_told_otherwise() {
        let check = |edge, preserve_external, pack_trace_reason, before: &str, after: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, before.parse().unwrap());
            let rules = RequestIds { preserve_external, pack_trace_reason, always_in_response: false };
            apply(&mut headers, rules, edge, || HeaderValue::from_static("new"));
            assert_eq!(headers[X_REQUEST_ID], after, "{before}");
        };
        let (sampled, not) = ("01234567-89ab-9def-8123-456789abcdef", "01234567-89ab-4def-8123-456789abcdef");
        check(false, false, true, sampled, sampled);
        check(true, false, true, sampled, "new");
        check(true, true, true, sampled, not);
        check(true, true, false, sampled, sampled);
        check(true, true, true, "mine", "mine");
        let mut none = HeaderMap::new();
        apply(&mut none, RequestIds::default(), false, || HeaderValue::from_static("new"));
        assert_eq!(none[X_REQUEST_ID], "new");
    }
}
