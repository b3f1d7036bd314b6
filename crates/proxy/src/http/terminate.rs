//! CONNECT that ends here: the bytes of its tunnel go to an endpoint as they are.

use std::rc::Rc;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_policy::host::{Host, HostEntry};
use ripstop_policy::limits::ConnectionPermit;
use ripstop_policy::outlier::Outcome;

use super::attempt::record;
use crate::error::ProxyError;
use crate::stream_info::UpstreamInfo;
use crate::upstream::connect::{Transport, transport};
use crate::upstream::purpose::{Client, Purpose};
use crate::worker::cluster::WorkerCluster;

/// A connection to an endpoint without any HTTP on it, counted until it is dropped.
pub struct RawConnection {
    transport: Option<Transport>,
    cluster: Rc<WorkerCluster>,
    worker: usize,
    _permit: ConnectionPermit,
}

impl RawConnection {
    /// Connects within the cluster's connect timeout. With an error comes what the transport says of it.
    pub async fn to(
        cluster: &Rc<WorkerCluster>,
        worker: usize,
        entry: &Arc<HostEntry>,
        client: Option<Client>,
    ) -> Result<RawConnection, (ProxyError, Option<Name>)> {
        let active = &cluster.active;
        let purpose = Purpose::default().for_client(client.filter(|_| active.tells_clients()));
        let stats = active.lasting.stats.of(worker);
        let Ok(permit) = active.lasting.limits.try_connection(&entry.host) else {
            stats.cx_overflow.inc();
            return Err((ProxyError::Overflow, None));
        };
        stats.cx_total.inc();
        let connecting = transport(active, &entry.host, &purpose);
        let error = match tokio::time::timeout(active.config.connect_timeout, connecting).await {
            Ok(Ok(transport)) => {
                stats.cx_active.inc();
                return Ok(RawConnection {
                    transport: Some(transport),
                    cluster: cluster.clone(),
                    worker,
                    _permit: permit,
                });
            }
            Ok(Err(error)) => (error.proxy_error(), error.reason()),
            Err(_) => {
                stats.cx_connect_timeout.inc();
                (ProxyError::ConnectTimeout, None)
            }
        };
        stats.cx_connect_fail.inc();
        entry.host.count_connect_failure();
        record(cluster, entry, Outcome::ConnectFailure, None);
        Err(error)
    }

    /// What logs tell of it.
    pub fn describe(&self, host: &Host) -> UpstreamInfo {
        let (cluster, purpose) = (&self.cluster.active, Purpose::default());
        let transport = self.transport.as_ref();
        transport.map(|transport| transport.describe(cluster, host, &purpose)).unwrap_or_default()
    }

    /// The connection itself, the first time it is asked for.
    pub fn transport(&mut self) -> Option<Transport> {
        self.transport.take()
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        self.cluster.active.lasting.stats.of(self.worker).cx_active.dec();
    }
}
