//! Asking: the hosts file, then the name servers of the system.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
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

/// Asks by what the system says when a family is asked for first.
#[derive(Default)]
pub struct Resolver {
    by_family: BTreeMap<DnsFamily, Result<Arc<TokioResolver>, String>>,
}

impl Resolver {
    /// Asks for one name. Nothing is remembered from one question to the next.
    pub fn lookup(&mut self, query: &Query) -> impl Future<Output = Result<Found, String>> + use<> {
        let resolver = self.by_family.entry(query.family).or_insert_with(|| start(query.family)).clone();
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

fn start(family: DnsFamily) -> Result<Arc<TokioResolver>, String> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::warn!(%error, "the system names no name servers; only its hosts file is used");
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
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
        };
        let found = Resolver::default().lookup(&query).await.unwrap();
        assert_eq!(found.addresses, [IpAddr::from([127, 0, 0, 1])]);
    }
}
