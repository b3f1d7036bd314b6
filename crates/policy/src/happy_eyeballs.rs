//! In which order the addresses of one endpoint are tried: families in turn, so that a broken one costs a fraction of a
//! second and not a connect timeout (RFC 8305, section 4). How long one waits before the next is tried is section 5.

use std::time::Duration;

use ripstop_model::Address;
use ripstop_model::upstream_connection::{AddressFamily, HappyEyeballs};

/// After this long without a connection the next address is tried beside the one before: Envoy's value, within the range
/// that RFC 8305, section 5, allows.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

/// The family of an address.
pub fn family(address: &Address) -> AddressFamily {
    match address {
        Address::Socket(address) if address.is_ipv4() => AddressFamily::V4,
        Address::Socket(_) => AddressFamily::V6,
        Address::Pipe(_) => AddressFamily::Pipe,
    }
}

/// The addresses in the order in which they are tried.
pub fn order<'a>(
    config: HappyEyeballs,
    addresses: impl IntoIterator<Item = &'a Address>,
) -> Vec<&'a Address> {
    let addresses: Vec<&Address> = addresses.into_iter().collect();
    let Some(default) = addresses.first().map(|address| family(address)) else { return addresses };
    // A family that no address is of leaves the first one's.
    let wanted = config.first.filter(|first| addresses.iter().any(|address| family(address) == *first));
    let first = wanted.unwrap_or(default);
    let (mut preferred, mut others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| family(address) == first);
    let mut ordered = Vec::with_capacity(preferred.len() + others.len());
    let count = usize::try_from(config.count.get()).unwrap_or(usize::MAX).min(preferred.len());
    ordered.extend(preferred.drain(..count));
    let (mut preferred, mut others) = (preferred.drain(..), others.drain(..));
    loop {
        match (others.next(), preferred.next()) {
            (None, None) => return ordered,
            (other, own) => ordered.extend(other.into_iter().chain(own)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn families_take_turns() {
        let check = |first: Option<AddressFamily>, count: u32, addresses: &str, expected: &str| {
            let config = HappyEyeballs { first, count: NonZeroU32::new(count).unwrap() };
            let addresses: Vec<Address> = addresses
                .split(' ')
                .map(|ip| Address::Socket(std::net::SocketAddr::new(ip.parse().unwrap(), 80)))
                .collect();
            let ordered: Vec<String> = order(config, &addresses)
                .iter()
                .map(|address| address.as_socket().unwrap().ip().to_string())
                .collect();
            assert_eq!(ordered.join(" "), expected);
        };
        check(None, 1, "::1 ::2 ::3 1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2 ::3");
        check(None, 1, "1.1.1.1 ::1 ::2", "1.1.1.1 ::1 ::2");
        check(None, 2, "::1 ::2 ::3 1.1.1.1", "::1 ::2 1.1.1.1 ::3");
        check(None, 9, "::1 1.1.1.1 ::2", "::1 ::2 1.1.1.1");
        check(Some(AddressFamily::V4), 1, "::1 ::2 1.1.1.1", "1.1.1.1 ::1 ::2");
        check(Some(AddressFamily::Pipe), 1, "::1 1.1.1.1", "::1 1.1.1.1");
        assert!(order(HappyEyeballs::default(), []).is_empty());
    }
}
