//! Free ports for a mesh.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// Below the ports that the kernel gives to outgoing connections, so that none of them is taken between being found
/// free and being bound.
const RANGE: std::ops::Range<u16> = 10_240..32_000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and that is given to nobody else in this process.
pub fn free() -> u16 {
    let mut given = GIVEN.lock().unwrap();
    loop {
        let port = fastrand::u16(RANGE);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}
