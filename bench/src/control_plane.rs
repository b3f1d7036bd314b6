//! A control plane that serves as many clusters as it is told, so that proxies can be measured on them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use ripstop_model::{Cluster, ClusterLoadAssignment, Discovery, Endpoint, Node, Snapshot};
use ripstop_xds::encoded::{EncodedSnapshot, encode_snapshot};
use ripstop_xds::server::{Peer, Refusal, StreamStatus, View, ViewSource, ads_server};
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::Outcome;
use crate::pin::{Side, pin};

/// A running control plane. It ends with the process.
pub struct ControlPlane {
    /// Where it listens.
    pub port: u16,
    source: Arc<Source>,
}

struct Source {
    snapshots: watch::Sender<Arc<EncodedSnapshot>>,
    connected: Mutex<Option<Instant>>,
}

impl ViewSource for Source {
    fn connect(&self, _: &Node, _: &Peer) -> Result<View, Refusal> {
        *self.connected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(View {
            snapshots: self.snapshots.subscribe(),
            status: Arc::new(StreamStatus::default()),
            secrets: None,
        })
    }
}

impl ControlPlane {
    /// Starts it beside the load.
    pub fn start(processors: &[usize], first: &Snapshot) -> Outcome<ControlPlane> {
        let snapshots = watch::Sender::new(Arc::new(encode_snapshot(first, None)));
        let source = Arc::new(Source { snapshots, connected: Mutex::new(None) });
        let service = ads_server(source.clone());
        let (tell, told) = mpsc::channel();
        let processors = processors.to_vec();
        std::thread::Builder::new().name("control-plane".to_owned()).spawn(move || -> Outcome<()> {
            pin(&processors, Side::Load)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                tell.send(incoming.local_addr()?.port())?;
                Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
            })
        })?;
        Ok(ControlPlane { port: told.recv()?, source })
    }

    /// Puts another configuration in force, and says how it is encoded.
    pub fn push(&self, snapshot: &Snapshot) {
        let before = self.source.snapshots.borrow().clone();
        self.source.snapshots.send_replace(Arc::new(encode_snapshot(snapshot, Some(&before))));
    }

    /// When a proxy has connected last.
    pub fn connected(&self) -> Option<Instant> {
        *self.source.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many clusters with so many endpoints each, all of them at `port`.
pub fn snapshot(clusters: u16, endpoints_of_each: u8, port: u16) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for number in 0..clusters {
        let name = cluster_name(number);
        let cluster = Cluster::new(name.as_str(), Discovery::Eds { service_name: None });
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
        let assignment = assignment(number, endpoints_of_each, port);
        snapshot.endpoints.insert(assignment.cluster_name.clone(), Arc::new(assignment));
    }
    snapshot
}

/// The endpoints of a cluster: addresses of the loopback interface that no other cluster has.
pub fn assignment(number: u16, endpoints: u8, port: u16) -> ClusterLoadAssignment {
    let [high, low] = number.to_be_bytes();
    let endpoint = |last: u8| Endpoint::new(SocketAddr::from(([127, high + 1, low, last + 1], port)));
    ClusterLoadAssignment::flat(cluster_name(number), (0..endpoints).map(endpoint).collect())
}

/// The name of a cluster.
pub fn cluster_name(number: u16) -> String {
    format!("outbound|8080||service-{number}.shop.mesh.local")
}
