//! Reads base64, in which documents hold bytes (RFC 4648, section 4).

use ripstop_yaml::Field;

/// The bytes of a field.
pub(super) fn field(field: &Field<'_>) -> Option<Vec<u8>> {
    let text = field.str()?;
    let bytes = decode(&text);
    if bytes.is_none() {
        field.error_with_help("this is not base64", "make it with: base64 --wrap=0 FILE");
    }
    bytes
}

/// Spaces and line ends are skipped; the padding may be missing, nothing may follow it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0u32);
    let mut padded = false;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padded = true;
                continue;
            }
            _ => return None,
        };
        if padded {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            // The mask leaves eight bits.
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    // A single letter at the end holds no byte.
    (held < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let check =
            |text: &str, expected: Option<&[u8]>| assert_eq!(decode(text).as_deref(), expected, "{text}");
        check("", Some(b""));
        check("Zg==", Some(b"f"));
        check("Zm8=", Some(b"fo"));
        check("Zm9v", Some(b"foo"));
        check("Zm9vYg", Some(b"foob"));
        check("/+8=\n", Some(b"\xff\xef"));
        check("Zg==Zg==", None);
        check("Z", None);
        check("Zm9-", None);
    }
}
