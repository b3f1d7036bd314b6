//! Filters before the terminal one, ready for connections, and the buckets that some of them share.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ripstop_model::Name;
use ripstop_model::network_filter::{ConnectionFilter, LocalRateLimit, TokenBucket as BucketConfig};
use ripstop_policy::connection_count::ConnectionCount;
use ripstop_policy::rbac::Authorizer;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::token_bucket::TokenBucket;

use super::listener::Parts;
use crate::stats::connection::{ConnectionLimitStats, RateLimitStats, RbacStats};
use crate::stats::per_worker::PerWorker;

/// A compiled [`ConnectionFilter`] that can refuse a connection. One that is switched off is none.
pub enum ActiveConnectionFilter {
    /// Bounds how many connections there are.
    ConnectionLimit {
        /// The connections.
        count: Arc<ConnectionCount>,
        /// How long one beyond the limit is kept waiting.
        delay: Option<Duration>,
        /// What it does.
        stats: Arc<PerWorker<ConnectionLimitStats>>,
    },
    /// Bounds how many connections are made.
    RateLimit {
        /// The tokens.
        bucket: Arc<TokenBucket>,
        /// What it does.
        stats: Arc<PerWorker<RateLimitStats>>,
    },
    /// Decides who may connect.
    Rbac {
        /// What decides.
        rules: Option<Authorizer>,
        /// What is only counted.
        shadow: Option<Authorizer>,
        /// What it does.
        stats: Arc<PerWorker<RbacStats>>,
    },
}

/// Buckets that filters share by key, as long as one of them is there.
#[derive(Default)]
pub struct SharedBuckets(HashMap<(Name, BucketConfig), Weak<TokenBucket>>);

impl SharedBuckets {
    fn bucket(&mut self, limit: &LocalRateLimit) -> Arc<TokenBucket> {
        let make = || Arc::new(TokenBucket::new(&limit.bucket, Instant::now()));
        if limit.share_key.is_empty() {
            return make();
        }
        self.0.retain(|_, bucket| bucket.strong_count() > 0);
        let key = (limit.share_key.clone(), limit.bucket);
        if let Some(bucket) = self.0.get(&key).and_then(Weak::upgrade) {
            return bucket;
        }
        let bucket = make();
        self.0.insert(key, Arc::downgrade(&bucket));
        bucket
    }
}

impl ActiveConnectionFilter {
    /// Compiles the filters of a chain.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile_all(
        filters: &[ConnectionFilter],
        parts: &mut Parts<'_>,
    ) -> Result<Vec<ActiveConnectionFilter>, RegexError> {
        let mut compiled = Vec::with_capacity(filters.len());
        for filter in filters {
            compiled.extend(compile(filter, parts)?);
        }
        Ok(compiled)
    }
}

fn compile(
    filter: &ConnectionFilter,
    parts: &mut Parts<'_>,
) -> Result<Option<ActiveConnectionFilter>, RegexError> {
    let authorizer = |rules: &Option<_>| rules.as_ref().map(Authorizer::compile).transpose();
    Ok(match filter {
        ConnectionFilter::ConnectionLimit(limit) => {
            parts.runtime.enabled(&limit.enabled).then(|| ActiveConnectionFilter::ConnectionLimit {
                count: Arc::new(ConnectionCount::with_limit(
                    u32::try_from(limit.max_connections).unwrap_or(u32::MAX),
                )),
                delay: limit.delay.filter(|delay| !delay.is_zero()),
                stats: parts.registry.connection_limit(&limit.stat_prefix),
            })
        }
        ConnectionFilter::LocalRateLimit(limit) => {
            parts.runtime.enabled(&limit.enabled).then(|| ActiveConnectionFilter::RateLimit {
                bucket: parts.buckets.bucket(limit),
                stats: parts.registry.rate_limit(&limit.stat_prefix),
            })
        }
        ConnectionFilter::Rbac(rbac) => Some(ActiveConnectionFilter::Rbac {
            rules: authorizer(&rbac.rules)?,
            shadow: authorizer(&rbac.shadow_rules)?,
            stats: parts.registry.rbac(&rbac.stat_prefix),
        }),
        // The terminal filter is told.
        ConnectionFilter::SniCluster => None,
    })
}
