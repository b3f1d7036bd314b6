//! A range of IP addresses by their common beginning. Not a list of ranges, and not a matcher over many of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Envoy's `CidrRange`, for instance `10.0.0.0/8`. Bits behind the prefix are zero, so that equal ranges are equal
/// values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CidrRange {
    address: IpAddr,
    length: u8,
}

impl CidrRange {
    /// The range of all addresses that share their first `length` bits with `address`; a longer length than an address
    /// has counts as a whole address.
    pub fn new(address: IpAddr, length: u32) -> CidrRange {
        let most = if address.is_ipv4() { 32 } else { 128 };
        // At most 128.
        let length = length.min(most) as u8;
        CidrRange { address: masked(address, length), length }
    }

    /// The first address of the range.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits are common.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether the address is in the range. An IPv4 address is in no range of IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.length) == self.address
    }
}

/// The address with all bits after the first `length` set to zero.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// `10.0.0.0/8`
impl fmt::Display for CidrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn range(text: &str) -> CidrRange {
        let (address, length) = text.split_once('/').unwrap();
        CidrRange::new(address.parse().unwrap(), length.parse().unwrap())
    }

    #[test]
    fn a_range_holds_what_begins_like_it() {
        let check = |of: &str, address: &str, inside: bool| {
            assert_eq!(range(of).contains(address.parse().unwrap()), inside, "{of} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "255.0.0.1", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "::1", true);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        check("127.0.0.1/32", "127.0.0.1", true);
        check("127.0.0.1/32", "127.0.0.2", false);
    }

    #[test]
    fn what_stands_behind_the_prefix_does_not_count() {
        assert_eq!(range("10.1.2.3/8"), range("10.0.0.0/8"));
        assert_eq!(range("10.1.2.3/99").to_string(), "10.1.2.3/32");
    }
}
