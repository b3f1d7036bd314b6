//! Asking: the hosts file, then the name servers of the system.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use ripstop_model::cluster::DnsFamily;

use super::schedule::Query;

/// What one question may take, all tries included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses kept of one answer.
const MAX_ADDRESSES: usize = 1024;

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// How long it is good for.
    pub ttl: Duration,
}

/// Most sets of name servers that are kept ready; what is beyond is made anew for each question.
pub const MAX_RESOLVERS: usize = 256;

/// What is asked how: which family, by which name servers.
type Way = (DnsFamily, Vec<SocketAddr>);

/// Asks by what is configured, or by what the system says when a family is asked for first.
#[derive(Default)]
pub struct Resolver {
    ready: BTreeMap<Way, Result<Arc<TokioResolver>, String>>,
}

impl Resolver {
    /// Asks for one name. Nothing is remembered from one question to the next.
    pub fn lookup(&mut self, query: &Query) -> impl Future<Output = Result<Found, String>> + use<> {
        let way = (query.family, query.resolvers.clone());
        let resolver = self.ready.get(&way).cloned().unwrap_or_else(|| start(&way));
        if self.ready.len() < MAX_RESOLVERS {
            self.ready.insert(way, resolver.clone());
        }
        let host = query.host.clone();
        async move {
            let resolver = resolver?;
            match tokio::time::timeout(TIMEOUT, resolver.lookup_ip(&*host)).await {
                Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
                Ok(Err(error)) => Err(error.to_string()),
                Ok(Ok(answer)) => Ok(Found {
                    addresses: answer.iter().take(MAX_ADDRESSES).collect(),
                    ttl: answer.valid_until().saturating_duration_since(Instant::now()),
                }),
            }
        }
    }
}

fn start((family, servers): &Way) -> Result<Arc<TokioResolver>, String> {
    let with = |config| TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let of_system = || {
        TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "the system names no name servers; only its hosts file is used");
            with(ResolverConfig::default())
        })
    };
    let mut builder = match servers.is_empty() {
        true => of_system(),
        false => with(ResolverConfig::from_name_servers(servers.iter().copied().map(name_server).collect())),
    };
    let options = builder.options_mut();
    // When to ask is decided elsewhere.
    options.cache_size = 0;
    options.ip_strategy = match family {
        DnsFamily::Auto => LookupIpStrategy::Ipv6thenIpv4,
        DnsFamily::V4Only => LookupIpStrategy::Ipv4Only,
        DnsFamily::V6Only => LookupIpStrategy::Ipv6Only,
        DnsFamily::V4Preferred => LookupIpStrategy::Ipv4thenIpv6,
        DnsFamily::All => LookupIpStrategy::Ipv4AndIpv6,
    };
    builder.build().map(Arc::new).map_err(|error| error.to_string())
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections.iter_mut().for_each(|connection| connection.port = address.port());
    server
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hosts_file_is_asked() {
        let query = Query {
            host: "localhost".into(),
            family: DnsFamily::V4Only,
            refresh: Duration::from_secs(5),
            respect_ttl: false,
            jitter: Duration::ZERO,
            after_failure: None,
            resolvers: Vec::new(),
        };
        let found = Resolver::default().lookup(&query).await.unwrap();
        assert_eq!(found.addresses, [IpAddr::from([127, 0, 0, 1])]);
    }
}
