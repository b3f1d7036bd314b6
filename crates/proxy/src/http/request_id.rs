//! `x-request-id`: a random UUID (RFC 9562, version 4), as Envoy's UUID request id extension makes it.

use http::HeaderValue;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A new request id.
pub fn generate(rng: &mut fastrand::Rng) -> HeaderValue {
    let mut bits = rng.u128(..);
    // Version 4 in bits 48 to 51 of the text, variant 10 in bits 64 and 65.
    bits = (bits & !(0xF << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (at, byte) in text.iter_mut().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        shift -= 4;
        // Masked to 4 bits.
        *byte = HEX[((bits >> shift) & 0xF) as usize];
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
}
