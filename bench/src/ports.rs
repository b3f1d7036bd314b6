//! Free ports on the loopback interface.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::TcpListener;

use crate::Outcome;

/// Below the ports that the kernel gives to outgoing connections.
const RANGE: std::ops::Range<u16> = 10_240..32_000;

thread_local! {
    static GIVEN: RefCell<BTreeSet<u16>> = const { RefCell::new(BTreeSet::new()) };
}

/// A port that nobody listens on and that was not given out before.
pub fn free() -> Outcome<u16> {
    GIVEN.with_borrow_mut(|given| {
        let port = RANGE
            .clone()
            .find(|port| !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let port = port.ok_or("no port is free")?;
        given.insert(port);
        Ok(port)
    })
}
