//! One proxy: it asks for every cluster and listener, for the endpoints of each cluster and for its routes, acknowledges all
//! that it is sent, and keeps nothing but names and counts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use ripstop_xds::ResourceType;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Uri};

use crate::Outcome;

/// Largest response in bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Requests that wait to be sent.
const MAX_WAITING: usize = 16;
/// The one route configuration that a proxy of the mesh asks for.
const ROUTES: &str = "outbound";

/// What is known of a proxy.
pub struct Client {
    bytes: Cell<u64>,
    answered: Cell<Option<Instant>>,
    /// Types that have been sent at least once.
    sent: RefCell<BTreeSet<ResourceType>>,
    /// Endpoints that were asked for and have not come.
    missing: RefCell<BTreeSet<String>>,
    failure: RefCell<Option<String>>,
}

impl Client {
    /// Connects it. `bell` is rung whenever it has acknowledged something.
    pub fn start(socket: PathBuf, namespace: String, workload: String, bell: Rc<Notify>) -> Rc<Client> {
        let client = Rc::new(Client {
            bytes: Cell::default(),
            answered: Cell::default(),
            sent: RefCell::default(),
            missing: RefCell::default(),
            failure: RefCell::default(),
        });
        let running = Rc::clone(&client);
        tokio::task::spawn_local(async move {
            let ended = running.run(socket, namespace, workload, &bell).await;
            *running.failure.borrow_mut() = Some(match ended {
                Ok(()) => "the control plane has ended it".to_owned(),
                Err(error) => error.to_string(),
            });
            bell.notify_waiters();
        });
        client
    }

    /// Whether it has everything that it has asked for.
    pub fn is_complete(&self) -> bool {
        let asked =
            [ResourceType::Cluster, ResourceType::Endpoint, ResourceType::Listener, ResourceType::Route];
        let sent = self.sent.borrow();
        asked.iter().all(|kind| sent.contains(kind)) && self.missing.borrow().is_empty()
    }

    /// Bytes of all responses.
    pub fn received(&self) -> u64 {
        self.bytes.get()
    }

    /// When it has acknowledged something last.
    pub fn answered(&self) -> Option<Instant> {
        self.answered.get()
    }

    /// Why its stream ended.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    async fn run(&self, socket: PathBuf, namespace: String, workload: String, bell: &Notify) -> Outcome<()> {
        let channel = Endpoint::from_static("http://control").connect_with_connector(Dialer(socket)).await?;
        let mut client =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES);
        let (requests, outgoing) = mpsc::channel(MAX_WAITING);
        let mut clusters = request(ResourceType::Cluster, Vec::new());
        clusters.node = Some(node(namespace, workload));
        requests.send(clusters).await?;
        requests.send(request(ResourceType::Listener, Vec::new())).await?;
        requests.send(request(ResourceType::Route, vec![ROUTES.to_owned()])).await?;
        let mut responses =
            client.delta_aggregated_resources(ReceiverStream::new(outgoing)).await?.into_inner();
        while let Some(response) = responses.message().await? {
            let bytes = response.encoded_len() as u64;
            for request in self.answers(response) {
                // If nobody takes it any more, the next message says why.
                let _ = requests.send(request).await;
            }
            self.bytes.set(self.bytes.get() + bytes);
            self.answered.set(Some(Instant::now()));
            bell.notify_waiters();
        }
        Ok(())
    }

    /// What it says to a response: what else it wants, and that it accepts.
    fn answers(&self, response: DeltaDiscoveryResponse) -> Vec<DeltaDiscoveryRequest> {
        let mut requests = Vec::new();
        let Some(kind) = ResourceType::from_type_url(&response.type_url) else { return requests };
        self.sent.borrow_mut().insert(kind);
        let names = response.resources.into_iter().map(|resource| resource.name);
        let mut missing = self.missing.borrow_mut();
        match kind {
            ResourceType::Cluster => {
                let wanted: Vec<String> = names.filter(|name| name.starts_with("outbound|")).collect();
                missing.extend(wanted.iter().cloned());
                if !wanted.is_empty() {
                    requests.push(request(ResourceType::Endpoint, wanted));
                }
            }
            ResourceType::Endpoint => {
                for name in names {
                    missing.remove(&name);
                }
            }
            _ => {}
        }
        requests.push(DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..Default::default()
        });
        requests
    }
}

fn request(kind: ResourceType, names: Vec<String>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        resource_names_subscribe: names,
        ..Default::default()
    }
}

fn node(namespace: String, workload: String) -> Node {
    let namespace = Value { kind: Some(Kind::StringValue(namespace)) };
    let fields = [("NAMESPACE".to_owned(), namespace)].into();
    Node { id: workload, metadata: Some(Struct { fields }), ..Default::default() }
}

/// Connects to a Unix socket, whatever the address.
struct Dialer(PathBuf);

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<TokioIo<UnixStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}
