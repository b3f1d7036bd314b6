//! Where a request comes from: the address it is taken to come from, and whether that is the own network. The rules are
//! Envoy's for `use_remote_address`, `xff_num_trusted_hops` and `internal_address_config`.

use std::net::IpAddr;

use ripstop_model::http_manager::origin::Origin;

/// What is known of where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The peer of the connection; `None`: a Unix socket.
    pub remote: Option<IpAddr>,
    /// What all `x-forwarded-for` headers say, joined by commas; `None`: there is none.
    pub forwarded_for: Option<&'a str>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address, if it is another than the connection's.
    pub forwarded: Option<IpAddr>,
    /// It comes from the own network.
    pub internal: bool,
}

/// Where a request comes from, for a connection manager that is an edge (`use_remote_address`) or is not.
pub fn client(rules: &Origin, edge: bool, evidence: Evidence<'_>) -> Client {
    let hops = rules.xff_num_trusted_hops;
    let (forwarded, alone) = match (evidence.forwarded_for, edge) {
        (None, _) => (None, edge),
        // The peer itself is the first of the trusted ones.
        (Some(chain), true) => (hops.checked_sub(1).and_then(|hops| from_end(chain, hops)), false),
        (Some(chain), false) => {
            let address = from_end(chain, hops);
            (address, address.is_some() && hops == 0 && !chain.contains(','))
        }
    };
    let own = match forwarded.or(evidence.remote) {
        Some(address) => rules.internal.contains(address.to_canonical()),
        None => rules.internal.unix_sockets,
    };
    Client { forwarded, internal: alone && own }
}

/// The address that has `skip` others behind it.
fn from_end(chain: &str, skip: u32) -> Option<IpAddr> {
    chain.rsplit(',').nth(skip as usize)?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::cidr::CidrRange;
    use ripstop_model::http_manager::origin::InternalAddresses;

    fn check(edge: bool, hops: u32, forwarded_for: Option<&str>, expected: (Option<&str>, bool)) {
        let range = |text: &str| CidrRange::new(text.parse().unwrap(), 8);
        let internal =
            InternalAddresses { ranges: vec![range("127.0.0.0"), range("10.0.0.0")], ..Default::default() };
        let rules = Origin { xff_num_trusted_hops: hops, internal, ..Origin::default() };
        let evidence = Evidence { remote: Some([127, 0, 0, 1].into()), forwarded_for };
        let forwarded = expected.0.map(|address| address.parse().unwrap());
        let expected = Client { forwarded, internal: expected.1 };
        assert_eq!(client(&rules, edge, evidence), expected, "{edge} {hops} {forwarded_for:?}");
    }

    #[test]
    fn an_edge_believes_its_own_eyes() {
        check(true, 0, None, (None, true));
        check(true, 0, Some("1.1.1.1"), (None, false));
        check(true, 0, Some("10.0.0.1"), (None, false));
        check(true, 1, None, (None, true));
        check(true, 1, Some("1.1.1.1"), (Some("1.1.1.1"), false));
        check(true, 1, Some("10.0.0.1,1.1.1.1, 2.2.2.2 "), (Some("2.2.2.2"), false));
        check(true, 2, Some("9.9.9.9, 8.8.8.8, 7.7.7.7"), (Some("8.8.8.8"), false));
        check(true, 1, Some("1.1.1.1:99"), (None, false));
        check(true, 1, Some("junk"), (None, false));
    }

    #[test]
    fn behind_an_edge_the_chain_is_believed() {
        check(false, 0, None, (None, false));
        check(false, 0, Some("10.0.0.1"), (Some("10.0.0.1"), true));
        check(false, 0, Some("1.1.1.1"), (Some("1.1.1.1"), false));
        check(false, 0, Some("1.1.1.1, 10.0.0.2"), (Some("10.0.0.2"), false));
        check(false, 0, Some(""), (None, false));
        check(false, 1, Some("1.1.1.1, 10.0.0.2"), (Some("1.1.1.1"), false));
        check(false, 1, Some("10.0.0.1"), (None, false));
    }
}
