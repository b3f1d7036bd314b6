//! The tonic shell around the sessions: one task for each stream.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use ripstop_model::tls::CertificateSource;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::{Code, Status, Streaming};

use super::messages::{self, Encoded};
use super::secrets::SecretDialect;
use super::session::delta::DeltaSession;
use super::session::sotw::SotwSession;
use super::session::{self, Session};
use super::{EncodedSecrets, OpenSecrets, Peer, StreamStatus, ViewSource};
use crate::{EncodedSnapshot, ResourceType};

/// The methods of the service.
const STATE_OF_THE_WORLD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const INCREMENTAL: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// How long a library that comes back may take to answer for its routes before it is told of its clusters.
const ROUTES_PATIENCE: Duration = Duration::from_secs(2);

/// The gRPC service `envoy.service.discovery.v3.AggregatedDiscoveryService`, to be added to a tonic server.
#[derive(Clone)]
pub struct AdsServer {
    source: Arc<dyn ViewSource>,
}

/// The service over the views of `source`.
pub fn ads_server(source: Arc<dyn ViewSource>) -> AdsServer {
    AdsServer { source }
}

impl NamedService for AdsServer {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for AdsServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        ready(Ok(match request.uri().path() {
            STATE_OF_THE_WORLD => self.open::<SotwSession>(request),
            INCREMENTAL => self.open::<DeltaSession>(request),
            _ => Status::unimplemented("there is no such method").into_http(),
        }))
    }
}

impl AdsServer {
    fn open<S: Session>(&self, request: http::Request<Body>) -> http::Response<Body> {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        // Responses are made one at a time, so a slow proxy holds no more than this one.
        let (responses, queue) = mpsc::channel(1);
        let source = Arc::clone(&self.source);
        tokio::spawn(async move {
            let requests = messages::requests(request.into_body());
            if let Err(status) = run::<S>(&*source, &peer, requests, &responses).await {
                // Nobody listens any more if this fails.
                let _ = responses.send(Err(status)).await;
            }
        });
        messages::response(queue)
    }
}

/// Marks the stream as closed however it ends.
struct Closing(Arc<StreamStatus>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn run<S: Session>(
    source: &dyn ViewSource,
    peer: &Peer,
    mut requests: Streaming<S::Request>,
    responses: &mpsc::Sender<Encoded>,
) -> Result<(), Status> {
    let Some(first) = requests.next().await else { return Ok(()) };
    let first = first?;
    let node = S::node(&first).map(session::node).unwrap_or_default();
    let view = source.connect(&node, peer).map_err(|refusal| {
        tracing::warn!(node = node.id, %peer, %refusal, "a proxy is refused");
        Status::permission_denied(refusal.0)
    })?;
    let (mut snapshots, status) = (view.snapshots, view.status);
    let mut secrets = Secrets::<S>::Closed(view.secrets);
    status.opened(S::DELTA, SystemTime::now());
    let _closing = Closing(Arc::clone(&status));
    tracing::info!(node = node.id, %peer, delta = S::DELTA, "a proxy is connected");
    let snapshot = Arc::clone(&snapshots.borrow_and_update());
    let mut session = S::new(snapshot, Arc::clone(&status));
    receive(&mut session, &mut secrets, first)?;
    let mut patience = None;
    loop {
        flush(&mut session, &mut secrets, &mut snapshots, responses).await?;
        if let Some((snapshot, refused)) = session.answered() {
            status.set_answered(snapshot, refused, Instant::now());
        }
        let now = tokio::time::Instant::now();
        patience = session.waits_for_routes().then(|| patience.unwrap_or(now + ROUTES_PATIENCE));
        tokio::select! {
            () = until(patience) => session.wait_no_longer(),
            request = requests.next() => match request {
                Some(Ok(request)) => receive(&mut session, &mut secrets, request)?,
                // A proxy that is stopped resets its stream; that is no failure of ours.
                Some(Err(status)) if matches!(status.code(), Code::Cancelled | Code::Unknown) => return Ok(()),
                Some(Err(status)) => return Err(status),
                None => return Ok(()),
            },
            changed = snapshots.changed() => match changed {
                Ok(()) => session.push(Arc::clone(&snapshots.borrow_and_update())),
                Err(_) => return Err(Status::unavailable("the control plane is going away")),
            },
            () = secrets.changed() => {}
            () = responses.closed() => return Ok(()),
        }
    }
}

/// Returns at that time; without one, never.
async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The secrets of a stream. Most proxies have no use for them: their agent holds what they need.
enum Secrets<S: Session> {
    /// Nobody has asked.
    Closed(Option<OpenSecrets>),
    /// Somebody has.
    Open(S::Secrets, watch::Receiver<Arc<EncodedSecrets>>),
}

impl<S: Session> Secrets<S> {
    fn receive(&mut self, request: S::Request) -> Result<(), Status> {
        if let Secrets::Closed(open) = self {
            let Some(open) = open.take() else { return Ok(()) };
            *self = Secrets::Open(S::Secrets::default(), open());
        }
        let Secrets::Open(session, _) = self else { return Ok(()) };
        let answered = session.receive(request);
        let answered = answered.map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Some(message) = answered.and_then(|answered| answered.refused) {
            tracing::warn!(error = message, "a proxy refused its secrets");
        }
        Ok(())
    }

    /// What there is to say of secrets: the proxy's own, and those of `snapshot`.
    fn next(&mut self, snapshot: &EncodedSnapshot) -> Option<S::Response> {
        let Secrets::Open(session, secrets) = self else { return None };
        let own = Arc::clone(&secrets.borrow_and_update());
        session.next(&|name| own.get(name).or_else(|| snapshot.get(ResourceType::Secret, name).cloned()))
    }

    /// Whether a request for secrets is answered here: from when on the proxy's own certificate or its roots are asked for.
    fn answers(&self, names: &[String]) -> bool {
        let own = [CertificateSource::WORKLOAD_SECRET, CertificateSource::TRUST_BUNDLE_SECRET];
        match self {
            Secrets::Open(..) => true,
            Secrets::Closed(open) => open.is_some() && names.iter().any(|name| own.contains(&name.as_str())),
        }
    }

    /// Waits until there are others.
    async fn changed(&mut self) {
        if let Secrets::Open(_, secrets) = self
            && secrets.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

fn receive<S: Session>(session: &mut S, secrets: &mut Secrets<S>, request: S::Request) -> Result<(), Status> {
    let (type_url, names) = S::asks(&request);
    if type_url == ResourceType::Secret.type_url() && secrets.answers(names) {
        return secrets.receive(request);
    }
    session.receive(request, SystemTime::now()).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// Sends what may be sent. A snapshot that comes while the proxy is slow replaces the one before.
async fn flush<S: Session>(
    session: &mut S,
    secrets: &mut Secrets<S>,
    snapshots: &mut watch::Receiver<Arc<EncodedSnapshot>>,
    responses: &mpsc::Sender<Encoded>,
) -> Result<(), Status> {
    loop {
        let Ok(permit) = responses.reserve().await else { return Ok(()) };
        if snapshots.has_changed().unwrap_or(false) {
            session.push(Arc::clone(&snapshots.borrow_and_update()));
        }
        match session.next().or_else(|| secrets.next(&snapshots.borrow())) {
            Some(response) => permit.send(Ok(messages::encode(&response)?)),
            None => return Ok(()),
        }
    }
}
