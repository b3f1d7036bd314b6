//! SDS as a service of its own (`envoy.service.secret.v3.SecretDiscoveryService`), for proxies that get their certificate from
//! an agent on the same machine. Who may connect is for the caller to see to.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ripstop_model::Name;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::secrets::{Answered, DeltaSecrets, EncodedSecrets, SecretDialect, SotwSecrets};
use crate::pb;

/// Most calls at once on one connection. Envoy opens one for each secret that it names.
const MAX_SDS_STREAMS: u32 = 64;

/// Who has taken what, of all streams that are open.
#[derive(Clone, Default)]
pub struct SecretAcks(Arc<Mutex<Acks>>);

#[derive(Default)]
struct Acks {
    streams: u64,
    /// Of each open stream, the version of each secret that it was sent and that it has taken.
    taken: BTreeMap<u64, BTreeMap<Name, String>>,
    refusals: u64,
}

impl SecretAcks {
    /// Whether every open stream that has taken some version of `name` has taken `version`.
    pub fn all_have(&self, name: &str, version: &str) -> bool {
        let acks = self.lock();
        let mut known = acks.taken.values().filter_map(|taken| taken.get(name));
        known.all(|taken| taken == version)
    }

    /// Open streams, and responses that were refused.
    pub fn counts(&self) -> (usize, u64) {
        let acks = self.lock();
        (acks.taken.len(), acks.refusals)
    }

    fn open(&self) -> OpenStream {
        let mut acks = self.lock();
        acks.streams += 1;
        let id = acks.streams;
        acks.taken.insert(id, BTreeMap::new());
        OpenStream { acks: self.clone(), id }
    }

    /// The map is whole between statements.
    fn lock(&self) -> MutexGuard<'_, Acks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OpenStream {
    acks: SecretAcks,
    id: u64,
}

impl OpenStream {
    fn answered(&self, answered: Answered) {
        let mut acks = self.acks.lock();
        if let Some(message) = &answered.refused {
            tracing::error!(message, secrets = ?answered.versions.keys(), "a proxy refuses its secrets");
            acks.refusals += 1;
        } else if let Some(taken) = acks.taken.get_mut(&self.id) {
            taken.extend(answered.versions);
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.acks.lock().taken.remove(&self.id);
    }
}

/// Serves `secrets` on `incoming` until the future is dropped.
///
/// # Errors
/// The transport fails as a whole.
pub async fn serve_secrets<IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
    secrets: watch::Receiver<Arc<EncodedSecrets>>,
    acks: SecretAcks,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let service = pb::sds_server::Server::new(SecretService { secrets, acks });
    let mut server = tonic::transport::Server::builder().max_concurrent_streams(MAX_SDS_STREAMS);
    server.add_service(service).serve_with_incoming(incoming).await
}

struct SecretService {
    secrets: watch::Receiver<Arc<EncodedSecrets>>,
    acks: SecretAcks,
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl pb::sds_server::Service for SecretService {
    type DeltaSecretsStream = Responses<pb::DeltaDiscoveryResponse>;
    type StreamSecretsStream = Responses<pb::DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<pb::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Ok(Response::new(self.spawn::<DeltaSecrets>(request)))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<pb::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        Ok(Response::new(self.spawn::<SotwSecrets>(request)))
    }

    async fn fetch_secrets(
        &self,
        request: Request<pb::DiscoveryRequest>,
    ) -> Result<Response<pb::DiscoveryResponse>, Status> {
        let mut session = SotwSecrets::default();
        session.receive(request.into_inner()).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let secrets = Arc::clone(&self.secrets.borrow());
        let response = session.next(&|name| secrets.get(name));
        response.map(Response::new).ok_or_else(|| Status::not_found("no such secret is there yet"))
    }
}

impl SecretService {
    fn spawn<D: SecretDialect>(&self, request: Request<Streaming<D::Request>>) -> Responses<D::Response> {
        let (responses, stream) = mpsc::channel(1);
        let secrets = self.secrets.clone();
        let open = self.acks.open();
        tokio::spawn(async move {
            let served = serve::<D>(request.into_inner(), secrets, &open, &responses).await;
            if let Err(status) = served {
                // Nobody listens any more if this fails.
                let _ = responses.send(Err(status)).await;
            }
        });
        Box::pin(ReceiverStream::new(stream))
    }
}

async fn serve<D: SecretDialect>(
    mut requests: Streaming<D::Request>,
    mut secrets: watch::Receiver<Arc<EncodedSecrets>>,
    open: &OpenStream,
    responses: &mpsc::Sender<Result<D::Response, Status>>,
) -> Result<(), Status> {
    let mut session = D::default();
    loop {
        let current = Arc::clone(&secrets.borrow_and_update());
        if let Some(response) = session.next(&|name| current.get(name))
            && responses.send(Ok(response)).await.is_err()
        {
            return Ok(());
        }
        tokio::select! {
            request = requests.next() => match request {
                Some(Ok(request)) => {
                    let answered = session.receive(request);
                    let answered = answered.map_err(|error| Status::invalid_argument(error.to_string()))?;
                    if let Some(answered) = answered {
                        open.answered(answered);
                    }
                }
                // A proxy that is stopped resets its stream.
                Some(Err(_)) | None => return Ok(()),
            },
            changed = secrets.changed() => {
                changed.map_err(|_| Status::unavailable("the agent is going away"))?;
            }
            () = responses.closed() => return Ok(()),
        }
    }
}

impl std::fmt::Debug for SecretAcks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (streams, refusals) = self.counts();
        f.debug_struct("SecretAcks").field("streams", &streams).field("refusals", &refusals).finish()
    }
}
