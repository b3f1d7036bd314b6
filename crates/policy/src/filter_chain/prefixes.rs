//! Finds the longest range that an address is in.

use std::collections::HashMap;
use std::net::IpAddr;

use ripstop_model::cidr::CidrRange;

/// Values by range. There is a hash map for each length of prefix, so that a lookup costs no more than there are lengths
/// (at most 162), whatever the number of ranges.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    /// The longest first.
    v4: Vec<(u8, HashMap<CidrRange, T>)>,
    v6: Vec<(u8, HashMap<CidrRange, T>)>,
    /// For addresses in no range, and for what has no IP address.
    any: Option<T>,
}

impl<T> Prefixes<T> {
    /// `None` stands for every address.
    pub(super) fn new(values: impl IntoIterator<Item = (Option<CidrRange>, T)>) -> Prefixes<T> {
        let mut prefixes = Prefixes { v4: Vec::new(), v6: Vec::new(), any: None };
        for (range, value) in values {
            let Some(range) = range else {
                prefixes.any = Some(value);
                continue;
            };
            let family = if range.address().is_ipv4() { &mut prefixes.v4 } else { &mut prefixes.v6 };
            let place = family.binary_search_by(|(length, _)| range.length().cmp(length));
            let place = place.unwrap_or_else(|place| {
                family.insert(place, (range.length(), HashMap::new()));
                place
            });
            if let Some((_, ranges)) = family.get_mut(place) {
                ranges.insert(range, value);
            }
        }
        prefixes
    }

    /// The value of the longest range that holds the address.
    pub(super) fn longest(&self, address: Option<IpAddr>) -> Option<&T> {
        // What has no IP address counts as 0.0.0.0, as in Envoy.
        let address = address.unwrap_or(IpAddr::from([0; 4])).to_canonical();
        let family = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let held = family
            .iter()
            .find_map(|(length, ranges)| ranges.get(&CidrRange::new(address, u32::from(*length))));
        held.or(self.any.as_ref())
    }
}
