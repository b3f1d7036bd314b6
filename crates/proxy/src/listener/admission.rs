//! Runs the network filters before the terminal one: whether a connection may be there at all, and whether its client may
//! connect.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::Name;
use ripstop_policy::connection_count::Counted;
use ripstop_policy::rbac::{Authorizer, Facts};

use super::connection::ConnectionInfo;
use crate::generation::network_filter::ActiveConnectionFilter;
use crate::stats::connection::{ConnectionLimitStats, RbacStats};
use crate::stats::per_worker::PerWorker;

/// A place under a connection limit, held until it is dropped.
pub struct Held {
    _counted: Counted,
    stats: Arc<PerWorker<ConnectionLimitStats>>,
    worker: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stats.of(self.worker).active.dec();
    }
}

/// Asks the limits, before a TLS handshake costs anything. `None`: the connection is to be closed, and has been kept
/// waiting where that is wanted.
pub async fn admit(filters: &[ActiveConnectionFilter], worker: usize) -> Option<Vec<Held>> {
    let mut held = Vec::new();
    for filter in filters {
        match filter {
            ActiveConnectionFilter::ConnectionLimit { count, delay, stats } => match count.try_add() {
                Some(counted) => {
                    stats.of(worker).active.inc();
                    held.push(Held { _counted: counted, stats: stats.clone(), worker });
                }
                None => {
                    stats.of(worker).limited.inc();
                    if let Some(delay) = delay {
                        tokio::time::sleep(*delay).await;
                    }
                    return None;
                }
            },
            ActiveConnectionFilter::RateLimit { bucket, stats } => {
                if !bucket.take(Instant::now()) {
                    stats.of(worker).limited.inc();
                    return None;
                }
            }
            ActiveConnectionFilter::Rbac { .. } => {}
        }
    }
    Some(held)
}

/// Asks the rules, when the client has proved who it is.
///
/// # Errors
/// They refuse it: why, as logs tell it.
pub fn authorize(
    filters: &[ActiveConnectionFilter],
    info: &ConnectionInfo,
    worker: usize,
) -> Result<(), Name> {
    filters.iter().try_for_each(|filter| match filter {
        ActiveConnectionFilter::Rbac { rules, shadow, stats } => {
            ask(rules.as_ref(), shadow.as_ref(), stats.of(worker), info)
        }
        _ => Ok(()),
    })
}

fn ask(
    rules: Option<&Authorizer>,
    shadow: Option<&Authorizer>,
    stats: &RbacStats,
    info: &ConnectionInfo,
) -> Result<(), Name> {
    let certificate = info.secured.as_ref().and_then(|tls| tls.peer());
    let identities: Option<Vec<&str>> = certificate.map(|certificate| {
        let names = certificate.uris.iter().chain(&certificate.dns_names).chain([&certificate.subject]);
        names.map(String::as_str).collect()
    });
    let facts = Facts {
        destination: info.local.as_socket(),
        direct_remote: info.direct_remote.as_socket(),
        remote: info.remote.as_socket(),
        server_name: &info.server_name,
        identities: identities.as_deref(),
    };
    if let Some(shadow) = shadow {
        let allowed = shadow.decide(&facts).allowed;
        if allowed { &stats.shadow_allowed } else { &stats.shadow_denied }.inc();
    }
    let Some(rules) = rules else { return Ok(()) };
    let decision = rules.decide(&facts);
    if decision.allowed { &stats.allowed } else { &stats.denied }.inc();
    if decision.allowed {
        return Ok(());
    }
    let policy = decision.policy.as_deref().unwrap_or("none");
    tracing::debug!(remote = %info.remote, policy, "connection refused");
    Err(format!("rbac_access_denied_matched_policy[{}]", policy.replace(char::is_whitespace, "_")).into())
}
