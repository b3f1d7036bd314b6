//! What binds a request to an endpoint: the hash of its properties, and the cookies that keep it so.

use http::{HeaderMap, HeaderValue};
use ripstop_policy::hash::{HashInput, Issuer};

use super::target::Target;
use crate::generation::routes::CompiledForward;
use crate::listener::connection::ConnectionInfo;
use crate::worker::cluster::WorkerCluster;

/// The bond of one request.
#[derive(Default)]
pub struct Affinity {
    /// What the endpoint is chosen by.
    pub hash: Option<u64>,
    /// Cookies for a client that had none.
    pub cookies: Vec<HeaderValue>,
}

impl Affinity {
    /// Computed only where the cluster chooses by it.
    pub fn of(
        forward: &CompiledForward,
        cluster: &WorkerCluster,
        target: &Target,
        headers: &HeaderMap,
        connection: &ConnectionInfo,
    ) -> Affinity {
        let Some(hasher) = &forward.hasher else { return Affinity::default() };
        if !cluster.active.config.lb.policy.is_consistent() {
            return Affinity::default();
        }
        let source_ip = connection.client_ip();
        let input = HashInput { headers, query: target.path.query(), source_ip };
        let ends = format!("{}{}", connection.remote, connection.local);
        let mut issuer = Issuer { connection: &ends, cookies: Vec::new() };
        let hash = hasher.hash(input, Some(&mut issuer));
        let cookies = issuer.cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()).collect();
        Affinity { hash, cookies }
    }
}
