//! Envoy's order of conditions, one case a rule.
#![allow(clippy::unwrap_used)]

use super::*;

fn range(text: &str) -> CidrRange {
    let (address, length) = text.split_once('/').unwrap();
    CidrRange::new(address.parse().unwrap(), length.parse().unwrap())
}

fn names(list: &[&str]) -> FilterChainMatch {
    let name = |text: &&str| match text.strip_prefix('*') {
        Some(suffix) => ServerName::Suffix(suffix.into()),
        None => ServerName::Exact((*text).into()),
    };
    FilterChainMatch { server_names: list.iter().map(name).collect(), ..Default::default() }
}

fn prefix(list: &[&str]) -> FilterChainMatch {
    FilterChainMatch { prefix_ranges: list.iter().map(|text| range(text)).collect(), ..Default::default() }
}

fn any() -> FilterChainMatch {
    FilterChainMatch::default()
}

fn facts<'a>() -> Facts<'a> {
    Facts {
        destination: Some("10.1.2.3:443".parse().unwrap()),
        direct_source: Some("192.0.2.1:1000".parse().unwrap()),
        source: Some("192.0.2.1:1000".parse().unwrap()),
        server_name: "",
        transport_protocol: TransportProtocol::Plaintext,
        application_protocols: &[],
    }
}

fn check(chains: &[FilterChainMatch], facts: Facts<'_>, chosen: Option<usize>) {
    assert_eq!(ChainTable::compile(chains).unwrap().find(&facts), chosen, "{facts:?}");
}

#[test]
fn the_most_specific_server_name_wins() {
    let chains =
        [any(), names(&["*.com"]), names(&["*.example.com"]), names(&["www.example.com", "example.com"])];
    let of = |server_name| Facts { server_name, ..facts() };
    check(&chains, of("www.example.com"), Some(3));
    check(&chains, of("example.com"), Some(3));
    check(&chains, of("api.example.com"), Some(2));
    check(&chains, of("a.b.example.com"), Some(2));
    check(&chains, of("other.com"), Some(1));
    check(&chains, of("com"), Some(0));
    check(&chains, of(".com"), Some(0));
    check(&chains, of("other.org"), Some(0));
    check(&chains, of(""), Some(0));
    check(&chains[1..], of("other.org"), None);
}

#[test]
fn the_port_comes_before_everything_and_is_not_looked_for_again() {
    let port = FilterChainMatch { destination_port: Some(443), ..names(&["a"]) };
    let chains = [port, names(&["b"])];
    check(&chains, Facts { server_name: "a", ..facts() }, Some(0));
    check(&chains, Facts { server_name: "b", ..facts() }, None);
    let elsewhere = Facts { destination: Some("10.1.2.3:80".parse().unwrap()), ..facts() };
    check(&chains, Facts { server_name: "b", ..elsewhere }, Some(1));
    check(&chains, Facts { destination: None, server_name: "b", ..facts() }, Some(1));
}

#[test]
fn the_longest_prefix_wins_and_hides_shorter_ones() {
    let narrow =
        FilterChainMatch { transport_protocol: Some(TransportProtocol::Tls), ..prefix(&["10.1.0.0/16"]) };
    let chains = [any(), prefix(&["10.0.0.0/8", "::1/128"]), narrow];
    check(&chains, Facts { transport_protocol: TransportProtocol::Tls, ..facts() }, Some(2));
    check(&chains, facts(), None);
    let to = |address: &str| Facts { destination: Some(address.parse().unwrap()), ..facts() };
    check(&chains, to("10.2.0.1:443"), Some(1));
    check(&chains, to("[::ffff:10.2.0.1]:443"), Some(1));
    check(&chains, to("[::1]:443"), Some(1));
    check(&chains, to("[::2]:443"), Some(0));
    check(&chains, Facts { destination: None, ..facts() }, Some(0));
}

#[test]
fn transport_and_application_protocols() {
    let speaks = |transport_protocol, applications: &[&str]| FilterChainMatch {
        transport_protocol,
        application_protocols: applications.iter().map(|name| Name::from(*name)).collect(),
        ..any()
    };
    let tls = Some(TransportProtocol::Tls);
    let chains = [any(), speaks(tls, &["h2"]), speaks(tls, &[]), speaks(None, &["h2c"])];
    let h2 = [Name::from("x"), Name::from("h2")];
    let tls = Facts { transport_protocol: TransportProtocol::Tls, ..facts() };
    check(&chains, Facts { application_protocols: &h2, ..tls }, Some(1));
    check(&chains, tls, Some(2));
    let h2c = [Name::from("h2c")];
    check(&chains, Facts { application_protocols: &h2c, ..facts() }, Some(3));
    // TLS hides the chains that do not care what is spoken.
    check(&chains, Facts { application_protocols: &h2c, ..tls }, Some(2));
    check(&chains, facts(), Some(0));
}

#[test]
fn where_the_client_is() {
    let of = |source_type| FilterChainMatch { source_type, ..any() };
    let chains = [of(SourceType::SameIpOrLoopback), of(SourceType::External)];
    let from = |address: &str| Facts { source: Some(address.parse().unwrap()), ..facts() };
    check(&chains, from("127.0.0.1:1"), Some(0));
    check(&chains, from("10.1.2.3:1"), Some(0));
    check(&chains, from("10.1.2.4:1"), Some(1));
    check(&chains, Facts { source: None, ..facts() }, Some(0));
    check(&[any(), chains[0].clone()], from("10.1.2.4:1"), Some(0));
}

#[test]
fn sources_by_prefix_and_port() {
    let source = |ranges: &[&str], ports: &[u16]| FilterChainMatch {
        source_prefix_ranges: ranges.iter().map(|text| range(text)).collect(),
        source_ports: ports.to_vec(),
        ..any()
    };
    let direct = FilterChainMatch { direct_source_prefix_ranges: vec![range("10.9.0.0/16")], ..any() };
    let chains = [source(&["192.0.2.0/24"], &[]), source(&["192.0.2.0/24"], &[1000, 1001]), direct];
    check(&chains, facts(), Some(1));
    check(&chains, Facts { source: Some("192.0.2.9:9".parse().unwrap()), ..facts() }, Some(0));
    check(&chains, Facts { direct_source: Some("10.9.1.1:5".parse().unwrap()), ..facts() }, Some(2));
    check(&chains, Facts { source: Some("198.51.100.1:9".parse().unwrap()), ..facts() }, None);
}

#[test]
fn overlapping_chains_are_refused() {
    let overlap = |chains: &[FilterChainMatch]| ChainTable::compile(chains).unwrap_err();
    let found = overlap(&[names(&["x"]), names(&["a", "b"]), names(&["b", "c"])]);
    assert_eq!(found, ChainTableError::Overlap { first: 1, second: 2 });
    overlap(&[any(), any()]);
    assert!(ChainTable::compile(&[names(&["a", "a"])]).is_ok(), "twice in one list is once");
    let many = FilterChainMatch { source_ports: (1..=5000).collect(), ..any() };
    let many = FilterChainMatch { server_names: vec![ServerName::Exact("a".into()); 5000], ..many };
    assert!(matches!(overlap(&[many]), ChainTableError::TooMany { .. }));
}

#[test]
fn many_chains_are_told_apart() {
    let chains: Vec<_> = (0..10_000).map(|n| names(&[&format!("host-{n}.example.com")])).collect();
    let table = ChainTable::compile(&chains).unwrap();
    for n in [0, 1, 5000, 9999] {
        let name = format!("host-{n}.example.com");
        assert_eq!(table.find(&Facts { server_name: &name, ..facts() }), Some(n));
    }
}
