//! A proxy that asks for everything and refuses what it is told to refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::google::rpc::Status;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

const CDS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const EDS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LDS: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const RDS: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// Follows until it is dropped.
pub struct Refusing {
    refuse: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Refusing {
    /// A gateway with these routes. Once told to, it refuses every change of routes with `message`.
    pub fn follow(channel: Channel, node: &str, routes: &str, message: &'static str) -> Refusing {
        let refuse = Arc::new(AtomicBool::new(false));
        let (node, routes, refusing) = (node.to_owned(), routes.to_owned(), Arc::clone(&refuse));
        let task = tokio::spawn(async move { run(channel, node, routes, message, refusing).await });
        Refusing { refuse, task }
    }

    /// From now on.
    pub fn begin(&self) {
        self.refuse.store(true, Ordering::Relaxed);
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn request(type_url: &str, subscribe: Vec<String>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: subscribe,
        ..Default::default()
    }
}

async fn run(channel: Channel, node: String, routes: String, message: &str, refuse: Arc<AtomicBool>) {
    let (requests, stream) = mpsc::channel(16);
    let node = Node { id: node, ..Default::default() };
    requests.send(DeltaDiscoveryRequest { node: Some(node), ..request(CDS, Vec::new()) }).await.unwrap();
    requests.send(request(LDS, Vec::new())).await.unwrap();
    requests.send(request(RDS, vec![routes])).await.unwrap();
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let mut responses =
        client.delta_aggregated_resources(ReceiverStream::new(stream)).await.unwrap().into_inner();
    while let Ok(Some(response)) = responses.message().await {
        if response.type_url == CDS {
            let names = response.resources.iter().map(|resource| resource.name.clone()).collect();
            requests.send(request(EDS, names)).await.unwrap();
        }
        let refused = response.type_url == RDS && refuse.load(Ordering::Relaxed);
        let error = Status { code: 3, message: message.to_owned(), ..Default::default() };
        let answer = DeltaDiscoveryRequest {
            response_nonce: response.nonce,
            error_detail: refused.then_some(error),
            ..request(&response.type_url, Vec::new())
        };
        requests.send(answer).await.unwrap();
    }
}
