//! Any bytes as the beginning of a TLS connection: no panic, and it does not matter in which pieces they come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ripstop_policy::inspect::Progress;
use ripstop_policy::inspect::client_hello::parse;

/// Envoy's default limit.
const LIMIT: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes, LIMIT);
    for length in 0..bytes.len() {
        match parse(&bytes[..length], LIMIT) {
            Ok(Progress::NeedMore) => {}
            // What is decided stays decided.
            early => assert_eq!(early, whole, "after {length} of {} bytes", bytes.len()),
        }
    }
    if let Ok(Progress::Done(hello)) = whole {
        assert!(hello.server_name.is_none_or(|name| name.len() <= 255 && !name.is_empty()));
    }
});
