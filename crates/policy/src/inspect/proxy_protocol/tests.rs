//! Headers, and what Envoy 1.40 says of each.
#![allow(clippy::unwrap_used)]

use super::*;

/// What follows the header must not matter.
const REST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// `Some((client, destination))`; an empty text: the connection speaks for itself; `None`: an error.
fn check(header: &[u8], expected: Option<(&str, &str)>) {
    let bytes = [header, REST].concat();
    let shown = header.escape_ascii().to_string();
    let read = match parse(&bytes) {
        Ok(Progress::Done(read)) => read,
        Ok(Progress::NeedMore) => panic!("{shown}: more is needed"),
        Err(error) => return assert_eq!(expected, None, "{shown}: {error}"),
    };
    assert_eq!(read.length, header.len(), "{shown}");
    let shown_addresses = read.addresses.map(|(a, b)| (a.to_string(), b.to_string()));
    let (client, destination) = shown_addresses.unwrap_or_default();
    assert_eq!(Some((client.as_str(), destination.as_str())), expected, "{shown}");
    for end in 0..header.len() {
        assert_eq!(parse(&header[..end]), Ok(Progress::NeedMore), "{end} bytes of {shown}");
    }
}

const BOTH: Option<(&str, &str)> = Some(("1.2.3.4:1111", "5.6.7.8:2222"));
const OWN: Option<(&str, &str)> = Some(("", ""));

#[test]
fn text_headers() {
    check(b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", BOTH);
    check(b"PROXY TCP6 1:2::3 5:6::8 1111 2222\r\n", Some(("[1:2::3]:1111", "[5:6::8]:2222")));
    check(b"PROXY UNKNOWN\r\n", OWN);
    check(b"PROXY UNKNOWN ffff::1 a b c\r\n", OWN);
    check(b"PROXY TCP4 1.2.3.4 5.6.7.8 0 2222\r\n", Some(("1.2.3.4:0", "5.6.7.8:2222")));
    check(b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2222\r\n", Some(("1.2.3.4:1", "5.6.7.8:2222")));
    for bad in [
        "PROXY UDP4 1.2.3.4 5.6.7.8 1111 2222",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1111 2222",
        "PROXY TCP4 1.2.3.4 5.6.7.8 11111111 2222",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2222",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222 x",
        "PROXY TCP4  1.2.3.4 5.6.7.8 1111 2222",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1111",
        "PROXY TCP4 224.0.0.1 5.6.7.8 1111 2222",
        "PROXY TCP4 0.0.0.0 5.6.7.8 1111 2222",
        "PROXY TCP4 255.255.255.255 5.6.7.8 1111 2222",
        "PROXY ",
        "PROXY\r\n",
        "proxy TCP4 1.2.3.4 5.6.7.8 1111 2222",
        "PROXYTCP4 1.2.3.4 5.6.7.8 1111 2222",
    ] {
        check(format!("{bad}\r\n").as_bytes(), None);
    }
    check(b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\n", None);
    let padded = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16)).into_bytes();
    check(&padded(108), OWN);
    check(&padded(109), None);
}

fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, body].concat()
}

const V4: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0x04, 0x57, 0x08, 0xae];

#[test]
fn binary_headers() {
    check(&binary(0x21, 0x11, &V4), BOTH);
    check(&binary(0x21, 0x12, &V4), BOTH);
    let v6 = [&[0x20, 1][..], &[0; 13], &[1], &[0x20, 1], &[0; 13], &[2], &V4[8..]].concat();
    check(&binary(0x21, 0x21, &v6), Some(("[2001::1]:1111", "[2001::2]:2222")));
    check(&binary(0x20, 0x00, b""), OWN);
    check(&binary(0x20, 0x11, &V4), OWN);
    check(&binary(0x20, 0x31, b""), OWN);
    check(&binary(0x21, 0x11, &[&V4[..], b"\x02\x00\x05hello\x03\x00\x00"].concat()), BOTH);
    check(&binary(0x21, 0x11, &[&V4[..], b"\x02\xfd\xe8", &[0; 65_000]].concat()), BOTH);
    for (command, family, body) in [
        (0x21, 0x11, &[&V4[..], b"\x02\x00\xffhello"].concat()[..]),
        (0x21, 0x11, &[&V4[..], b"\x02"].concat()[..]),
        (0x21, 0x00, b""),
        (0x21, 0x31, &[b'x'; 216]),
        (0x21, 0x11, &V4[..8]),
        (0x22, 0x11, &V4),
        (0x11, 0x11, &V4),
        (0x21, 0x10, &V4),
        (0x21, 0x13, &V4),
        (0x21, 0x11, &[224, 0, 0, 1, 5, 6, 7, 8, 0, 1, 0, 2]),
        (0x21, 0x11, &[0, 0, 0, 0, 5, 6, 7, 8, 0, 1, 0, 2]),
    ] {
        check(&binary(command, family, body), None);
    }
    check(b"\r\n\r\n\0\r\nXXXX", None);
}

#[test]
fn no_byte_can_make_it_panic() {
    for header in [b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n".to_vec(), binary(0x21, 0x11, &V4)] {
        for at in 0..header.len() {
            for value in 0..=255 {
                let mut changed = header.clone();
                changed[at] = value;
                let _ = parse(&changed);
            }
        }
    }
}
