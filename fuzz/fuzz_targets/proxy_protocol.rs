//! Any bytes as the beginning of a connection with a PROXY header: no panic, it does not matter in which pieces they come, and
//! a header never takes more bytes than there are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ripstop_policy::inspect::Progress;
use ripstop_policy::inspect::proxy_protocol::parse;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    for length in 0..bytes.len() {
        match parse(&bytes[..length]) {
            Ok(Progress::NeedMore) => {}
            // What is decided stays decided.
            early => assert_eq!(early, whole, "after {length} of {} bytes", bytes.len()),
        }
    }
    if let Ok(Progress::Done(header)) = whole {
        assert!((1..=bytes.len()).contains(&header.length));
    }
});
