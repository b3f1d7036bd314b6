//! ClientHellos, whole, in pieces and broken.
#![allow(clippy::unwrap_used)]

use super::*;

const LIMIT: usize = 16 * 1024;

fn behind_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), behind_length(body).as_slice()].concat()
}

fn sni(name: &str) -> Vec<u8> {
    let entry = [&[0], behind_length(name.as_bytes()).as_slice()].concat();
    extension(EXTENSION_SERVER_NAME, &behind_length(&entry))
}

fn alpn_of(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|name| [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat())
        .collect();
    extension(EXTENSION_ALPN, &behind_length(&list))
}

fn message_of(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; RANDOM_BYTES]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(behind_length(&extensions.concat()));
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[MESSAGE_CLIENT_HELLO], &length[1..], &body].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    message
        .chunks(size)
        .flat_map(|part| [&[RECORD_HANDSHAKE, 3, 1], behind_length(part).as_slice()].concat())
        .collect()
}

fn read(bytes: &[u8]) -> ClientHello {
    match parse(bytes, LIMIT) {
        Ok(Progress::Done(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn name_and_protocols_are_found_however_the_hello_is_cut() {
    let message =
        message_of(&[extension(10, &[0, 2, 0, 29]), sni("WWW.Example.com"), alpn_of(&["h2", "http/1.1"])]);
    let expected = ClientHello {
        server_name: Some("www.example.com".into()),
        alpn: vec!["h2".into(), "http/1.1".into()],
    };
    for size in [1, 2, 5, 60, message.len()] {
        let bytes = records(&message, size);
        assert_eq!(read(&bytes), expected, "records of {size}");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end], LIMIT), Ok(Progress::NeedMore), "records of {size}, {end} bytes");
        }
    }
    let more = [records(&message, 1000), b"early data".to_vec()].concat();
    assert_eq!(read(&more), expected);
}

#[test]
fn a_hello_may_ask_for_nothing() {
    assert_eq!(read(&records(&message_of(&[]), 1000)), ClientHello::default());
}

#[test]
fn what_is_too_large_is_told_early() {
    let large = message_of(&[extension(21, &[0; 20_000]), sni("a")]);
    let bytes = records(&large, 1000);
    assert_eq!(parse(&bytes[..9], LIMIT), Err(ClientHelloError::TooLarge(LIMIT)));
    assert!(matches!(parse(&bytes, 60_000), Ok(Progress::Done(_))));
    // Empty pieces cannot be used to make us wait for ever.
    assert_eq!(parse(&[RECORD_HANDSHAKE, 3, 1, 0, 0], LIMIT), Err(ClientHelloError::Other));
}

#[test]
fn what_is_no_hello_is_told_at_once() {
    for bytes in
        [&b"G"[..], b"\x16G", b"\x15\x03\x01\x00\x02", b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x04\x02"]
    {
        assert_eq!(parse(bytes, LIMIT), Err(ClientHelloError::Other), "{}", bytes.escape_ascii());
    }
    for extensions in
        [vec![sni("a"), sni("b")], vec![sni("")], vec![sni("a\0b")], vec![alpn_of(&[""])], vec![alpn_of(&[])]]
    {
        assert_eq!(parse(&records(&message_of(&extensions), 1000), LIMIT), Err(ClientHelloError::Other));
    }
}

#[test]
fn no_byte_can_make_it_panic() {
    let bytes = records(&message_of(&[sni("example.com"), alpn_of(&["h2"])]), 50);
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let _ = parse(&changed, LIMIT);
        }
    }
}
