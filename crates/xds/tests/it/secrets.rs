//! A server of secrets over loopback.
#![allow(clippy::unwrap_used)]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as wire;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use ripstop_model::Node;
use ripstop_model::tls::{SecretKind, SecretRef, SecretSource};
use ripstop_xds::client::{Introduction, Link, Protocol, Update, follow_secret};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

const DEADLINE: Duration = Duration::from_secs(20);

/// Answers the first request with something that is no secret, and every other with a secret. Remembers what it was asked.
#[derive(Clone, Default)]
struct Secrets(Arc<Mutex<Vec<DiscoveryRequest>>>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn response(nonce: usize, value: Vec<u8>) -> DiscoveryResponse {
    let type_url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".to_owned();
    DiscoveryResponse {
        version_info: nonce.to_string(),
        nonce: nonce.to_string(),
        resources: vec![Any { type_url: type_url.clone(), value }],
        type_url,
        ..Default::default()
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn stream_secrets(
        &self,
        requests: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let asked = self.0.clone();
        let (said, answers) = mpsc::channel(4);
        let mut requests = requests.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let count = {
                    let mut asked = asked.lock().unwrap();
                    asked.push(request.clone());
                    asked.len()
                };
                let secret = wire::Secret {
                    name: request.resource_names[0].clone(),
                    r#type: Some(wire::secret::Type::ValidationContext(Default::default())),
                };
                let answer = match count {
                    1 => response(1, b"nonsense".to_vec()),
                    2 => response(2, secret.encode_to_vec()),
                    _ => continue,
                };
                said.send(Ok(answer)).await.unwrap();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_secrets(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test]
async fn a_secret_is_asked_for_and_nonsense_is_refused() {
    let secrets = Secrets::default();
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    let service = SecretDiscoveryServiceServer::new(secrets.clone());
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));

    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let node = Node { id: "n".to_owned(), ..Node::default() };
    let protocol = Protocol::StateOfTheWorld { names_node_once: true };
    let link = Link::new(channel, protocol, Introduction::from(&node));
    let wanted = SecretRef { name: "roots".into(), source: SecretSource::Server { cluster: "sds".into() } };
    let (said, mut updates) = mpsc::channel(4);
    let task = tokio::spawn(follow_secret(link, wanted.clone(), said));
    let update = tokio::time::timeout(DEADLINE, updates.recv()).await.expect("in time").unwrap();
    let Update::Secret(reference, secret) = update else { panic!("{update:?}") };
    assert_eq!((reference, &*secret.name), (wanted, "roots"));
    assert!(matches!(secret.kind, SecretKind::Validation(_)));

    let told = async {
        while secrets.0.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, told).await.expect("in time");
    let asked = secrets.0.lock().unwrap().clone();
    assert_eq!(asked[0].node.as_ref().unwrap().id, "n");
    assert_eq!((asked[1].response_nonce.as_str(), asked[1].version_info.as_str()), ("1", ""));
    assert!(asked[1].error_detail.is_some(), "nonsense is refused");
    assert_eq!((asked[2].response_nonce.as_str(), asked[2].version_info.as_str()), ("2", "2"));
    assert!(asked[2].error_detail.is_none());
    task.abort();
}
