//! The compiled tree: one level for each condition of a filter chain.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use ripstop_model::Name;
use ripstop_model::chain_match::{FilterChainMatch, ServerName, SourceType, TransportProtocol};
use ripstop_model::cidr::CidrRange;

use super::prefixes::Prefixes;

/// What is known of a connection when its chain is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the client connected to; `None`: not an IP address.
    pub destination: Option<SocketAddr>,
    /// Who opened the connection.
    pub direct_source: Option<SocketAddr>,
    /// The client, be it behind a proxy.
    pub source: Option<SocketAddr>,
    /// The name in the ClientHello, in lower case; empty: none.
    pub server_name: &'a str,
    /// What the connection speaks.
    pub transport_protocol: TransportProtocol,
    /// What the client wants to speak on top, in its order.
    pub application_protocols: &'a [Name],
}

/// The chains of a listener cannot be told apart, or are too many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainTableError {
    /// Some connection would match both.
    #[error(
        "filter_chains[{first}] and filter_chains[{second}] have overlapping matching rules: change the \
         filter_chain_match of one of them"
    )]
    Overlap {
        /// Index of the one.
        first: usize,
        /// Index of the other.
        second: usize,
    },
    /// The lists of their conditions multiply.
    #[error(
        "the filter chains match more than {limit} combinations of ports, addresses and names: write fewer values \
         in the lists of a filter_chain_match"
    )]
    TooMany {
        /// [`ChainTable::MAX_COMBINATIONS`]
        limit: usize,
    },
}

/// The chains of a listener, by what they match.
#[derive(Debug)]
pub struct ChainTable {
    ports: HashMap<u16, Destinations>,
    any_port: Option<Destinations>,
}

type Destinations = Prefixes<ServerNames>;

#[derive(Debug)]
struct ServerNames {
    exact: HashMap<Name, Transports>,
    /// With the leading dot.
    suffixes: HashMap<Name, Transports>,
    any: Option<Box<Transports>>,
}

#[derive(Debug)]
struct Transports {
    plaintext: Option<Applications>,
    tls: Option<Applications>,
    any: Option<Applications>,
}

#[derive(Debug)]
struct Applications {
    named: HashMap<Name, DirectSources>,
    any: Option<DirectSources>,
}

type DirectSources = Prefixes<SourceTypes>;

#[derive(Debug)]
struct SourceTypes {
    local: Option<Sources>,
    external: Option<Sources>,
    any: Option<Sources>,
}

type Sources = Prefixes<SourcePorts>;

#[derive(Debug)]
struct SourcePorts {
    exact: HashMap<u16, usize>,
    any: Option<usize>,
}

impl ChainTable {
    /// Most combinations of values in the conditions of one listener: what the table is made of.
    pub const MAX_COMBINATIONS: usize = 1_000_000;

    /// Compiles the conditions of the chains of one listener; a chain is its index from then on.
    ///
    /// # Errors
    /// If two chains would match the same connection at the same level of precision, or there are too many combinations.
    pub fn compile(chains: &[FilterChainMatch]) -> Result<ChainTable, ChainTableError> {
        let combinations = chains.iter().map(combinations).fold(0, usize::saturating_add);
        if combinations > Self::MAX_COMBINATIONS {
            return Err(ChainTableError::TooMany { limit: Self::MAX_COMBINATIONS });
        }
        let all: Vec<Candidate<'_>> = chains.iter().enumerate().collect();
        let by_port = group(&all, |chain| vec![chain.destination_port]);
        let mut table = ChainTable { ports: HashMap::new(), any_port: None };
        for (port, chains) in by_port {
            let built = prefixes(&chains, |chain| &chain.prefix_ranges, server_names)?;
            match port {
                Some(port) => drop(table.ports.insert(port, built)),
                None => table.any_port = Some(built),
            }
        }
        Ok(table)
    }

    /// The index of the chain for a connection.
    pub fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        let port = facts.destination.map(|address| address.port());
        let destinations = port.and_then(|port| self.ports.get(&port)).or(self.any_port.as_ref())?;
        let ip = |address: Option<SocketAddr>| address.map(|address| address.ip());
        let names = destinations.longest(ip(facts.destination))?;
        let transports = names.find(facts.server_name)?;
        let applications = transports.find(facts.transport_protocol)?;
        let direct = applications.find(facts.application_protocols)?;
        let types = direct.longest(ip(facts.direct_source))?;
        let sources = types.find(facts)?;
        let ports = sources.longest(ip(facts.source))?;
        let exact = facts.source.and_then(|address| ports.exact.get(&address.port()));
        exact.copied().or(ports.any)
    }
}

impl ServerNames {
    fn find(&self, name: &str) -> Option<&Transports> {
        if name.is_empty() {
            return self.any.as_deref();
        }
        if let Some(exact) = self.exact.get(name) {
            return Some(exact);
        }
        let dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0 && at + 1 < name.len());
        let mut suffixes = dots.filter_map(|at| self.suffixes.get(&name[at..]));
        suffixes.next().or(self.any.as_deref())
    }
}

impl Transports {
    fn find(&self, protocol: TransportProtocol) -> Option<&Applications> {
        let asked = match protocol {
            TransportProtocol::Plaintext => self.plaintext.as_ref(),
            TransportProtocol::Tls => self.tls.as_ref(),
        };
        asked.or(self.any.as_ref())
    }
}

impl Applications {
    fn find(&self, protocols: &[Name]) -> Option<&DirectSources> {
        protocols.iter().find_map(|protocol| self.named.get(protocol)).or(self.any.as_ref())
    }
}

impl SourceTypes {
    fn find(&self, facts: &Facts<'_>) -> Option<&Sources> {
        let asked = if is_same_ip_or_loopback(facts) { self.local.as_ref() } else { self.external.as_ref() };
        asked.or(self.any.as_ref())
    }
}

/// Whether the client is on this machine; what has no IP address is.
fn is_same_ip_or_loopback(facts: &Facts<'_>) -> bool {
    let Some(source) = facts.source.map(|address| address.ip().to_canonical()) else { return true };
    source.is_loopback() || facts.destination.is_some_and(|address| address.ip().to_canonical() == source)
}

/// A chain with its index.
type Candidate<'a> = (usize, &'a FilterChainMatch);

/// How many paths through the tree lead to the chain.
fn combinations(chain: &FilterChainMatch) -> usize {
    let lists = [
        chain.prefix_ranges.len(),
        chain.server_names.len(),
        chain.application_protocols.len(),
        chain.direct_source_prefix_ranges.len(),
        chain.source_prefix_ranges.len(),
        chain.source_ports.len(),
    ];
    lists.into_iter().map(|values| values.max(1)).fold(1, usize::saturating_mul)
}

/// The chains by each of their values, in the order in which the values first occur.
fn group<'a, K: Clone + Eq + Hash>(
    chains: &[Candidate<'a>],
    values: impl Fn(&'a FilterChainMatch) -> Vec<K>,
) -> Vec<(K, Vec<Candidate<'a>>)> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<(K, Vec<Candidate<'a>>)> = Vec::new();
    for (index, chain) in chains {
        for value in values(chain) {
            let place = *places.entry(value.clone()).or_insert_with(|| {
                groups.push((value, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, members)) = groups.get_mut(place) {
                // The same value twice in one list is one value.
                if members.last().is_none_or(|(last, _)| last != index) {
                    members.push((*index, chain));
                }
            }
        }
    }
    groups
}

/// The values of a list, or the one that stands for "anything".
fn or_any<T: Clone>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
}

fn prefixes<'a, T>(
    chains: &[Candidate<'a>],
    ranges: fn(&FilterChainMatch) -> &Vec<CidrRange>,
    below: fn(&[Candidate<'a>]) -> Result<T, ChainTableError>,
) -> Result<Prefixes<T>, ChainTableError> {
    let groups = group(chains, |chain| or_any(ranges(chain)));
    let built = groups.into_iter().map(|(range, chains)| Ok((range, below(&chains)?)));
    Ok(Prefixes::new(built.collect::<Result<Vec<_>, _>>()?))
}

fn server_names(chains: &[Candidate<'_>]) -> Result<ServerNames, ChainTableError> {
    let mut names = ServerNames { exact: HashMap::new(), suffixes: HashMap::new(), any: None };
    for (name, chains) in group(chains, |chain| or_any(&chain.server_names)) {
        let built = transports(&chains)?;
        match name {
            Some(ServerName::Exact(name)) => drop(names.exact.insert(name, built)),
            Some(ServerName::Suffix(suffix)) => drop(names.suffixes.insert(suffix, built)),
            None => names.any = Some(Box::new(built)),
        }
    }
    Ok(names)
}

fn transports(chains: &[Candidate<'_>]) -> Result<Transports, ChainTableError> {
    let mut transports = Transports { plaintext: None, tls: None, any: None };
    for (protocol, chains) in group(chains, |chain| vec![chain.transport_protocol]) {
        let place = match protocol {
            Some(TransportProtocol::Plaintext) => &mut transports.plaintext,
            Some(TransportProtocol::Tls) => &mut transports.tls,
            None => &mut transports.any,
        };
        *place = Some(applications(&chains)?);
    }
    Ok(transports)
}

fn applications(chains: &[Candidate<'_>]) -> Result<Applications, ChainTableError> {
    let mut applications = Applications { named: HashMap::new(), any: None };
    for (protocol, chains) in group(chains, |chain| or_any(&chain.application_protocols)) {
        let built = prefixes(&chains, |chain| &chain.direct_source_prefix_ranges, source_types)?;
        match protocol {
            Some(protocol) => drop(applications.named.insert(protocol, built)),
            None => applications.any = Some(built),
        }
    }
    Ok(applications)
}

fn source_types(chains: &[Candidate<'_>]) -> Result<SourceTypes, ChainTableError> {
    let mut types = SourceTypes { local: None, external: None, any: None };
    for (kind, chains) in group(chains, |chain| vec![chain.source_type]) {
        let place = match kind {
            SourceType::SameIpOrLoopback => &mut types.local,
            SourceType::External => &mut types.external,
            SourceType::Any => &mut types.any,
        };
        *place = Some(prefixes(&chains, |chain| &chain.source_prefix_ranges, source_ports)?);
    }
    Ok(types)
}

/// The last level: here a value may have one chain only.
fn source_ports(chains: &[Candidate<'_>]) -> Result<SourcePorts, ChainTableError> {
    let mut ports = SourcePorts { exact: HashMap::new(), any: None };
    for (port, chains) in group(chains, |chain| or_any(&chain.source_ports)) {
        let index = match chains.as_slice() {
            [(index, _)] => *index,
            [(first, _), (second, _), ..] => {
                return Err(ChainTableError::Overlap { first: *first, second: *second });
            }
            [] => continue,
        };
        match port {
            Some(port) => drop(ports.exact.insert(port, index)),
            None => ports.any = Some(index),
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests;
