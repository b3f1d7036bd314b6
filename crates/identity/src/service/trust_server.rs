//! The authority's side of `FollowTrust`: announces roots, and notes who has taken them. Only who shows a valid certificate may
//! follow.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::trust_messages::{FederatedRoots, TrustAnnouncement, TrustReport};
use super::{FOLLOW_TRUST, TRUST_SERVICE_NAME};
use crate::authority::Announcement;
use crate::clock::Clock;
use crate::followers::{Follower, Followers};
use crate::peer::ConnectedPeer;

/// Largest message of a proxy, in bytes.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// A proxy introduces itself within this.
const FIRST_REPORT: Duration = Duration::from_secs(10);
/// How often it is looked whether the certificate of a proxy has ended meanwhile.
const EXPIRY_CHECK: Duration = Duration::from_secs(5);

/// The gRPC service, to be added to a tonic server whose requests bear a [`ConnectedPeer`].
#[derive(Debug, Clone)]
pub struct TrustServer {
    announced: watch::Receiver<Arc<Announcement>>,
    followers: Followers,
    clock: Clock,
}

impl TrustServer {
    /// Tells what is `announced` to whoever follows, and keeps them in `followers`.
    pub fn new(announced: watch::Receiver<Arc<Announcement>>, followers: Followers, clock: Clock) -> Self {
        Self { announced, followers, clock }
    }

    fn open(&self, request: Request<Streaming<TrustReport>>) -> Result<Response<Announcements>, Status> {
        let peer = request.extensions().get::<ConnectedPeer>().cloned();
        let peer = peer.filter(|peer| {
            peer.identity.as_ref().is_some_and(|identity| self.clock.now() <= identity.not_after())
        });
        let peer =
            peer.ok_or_else(|| Status::unauthenticated("connect with a valid certificate of this mesh"))?;
        let (announcements, stream) = mpsc::channel(1);
        let server = self.clone();
        tokio::spawn(async move {
            if let Err(status) = server.serve(peer, request.into_inner(), &announcements).await {
                // Nobody listens any more if this fails.
                let _ = announcements.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn serve(
        mut self,
        peer: ConnectedPeer,
        mut reports: Streaming<TrustReport>,
        announcements: &mpsc::Sender<Result<TrustAnnouncement, Status>>,
    ) -> Result<(), Status> {
        let first = tokio::time::timeout(FIRST_REPORT, reports.next()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("say who you are first"))?;
        let Some(first) = first else { return Ok(()) };
        let first = first?;
        let joined = self.followers.join(&peer, &first.instance, self.clock.now());
        let joined = joined.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        let follower = joined.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        note(&follower, &first);
        self.announced.mark_changed();
        let ends = peer.identity.as_ref().map(crate::peer::PeerIdentity::not_after);
        let mut checks = tokio::time::interval(EXPIRY_CHECK);
        loop {
            tokio::select! {
                changed = self.announced.changed() => {
                    if changed.is_err() {
                        return Err(Status::unavailable("the authority is going away"));
                    }
                    let announcement = wire(&self.announced.borrow_and_update());
                    if announcements.send(Ok(announcement)).await.is_err() {
                        return Ok(());
                    }
                }
                report = reports.next() => match report {
                    Some(Ok(report)) => note(&follower, &report),
                    // A proxy that goes away resets its stream.
                    Some(Err(_)) | None => return Ok(()),
                },
                () = announcements.closed() => return Ok(()),
                _ = checks.tick() => {
                    if ends.is_some_and(|ends| self.clock.now() > ends) {
                        return Err(Status::unauthenticated("the certificate of this connection has expired"));
                    }
                }
            }
        }
    }
}

type Announcements = ReceiverStream<Result<TrustAnnouncement, Status>>;

fn note(follower: &Follower, report: &TrustReport) {
    if !report.trusts.is_empty() {
        follower.trusts(&report.trusts);
    }
    if !report.error.is_empty() {
        follower.failed(&report.error);
    }
}

fn wire(announcement: &Announcement) -> TrustAnnouncement {
    let trust = &announcement.trust;
    TrustAnnouncement {
        version: announcement.version.clone(),
        roots_pem: trust.bundle().to_pem(),
        issuer: announcement.issuer.clone(),
        aliases: trust.aliases().iter().map(ToString::to_string).collect(),
        federated: trust
            .federated()
            .map(|bundle| FederatedRoots {
                trust_domain: bundle.trust_domain().to_string(),
                roots_pem: bundle.to_pem(),
            })
            .collect(),
        revocation_lists: trust.revocations().lists().iter().map(|list| list.to_vec()).collect(),
    }
}

impl NamedService for TrustServer {
    const NAME: &'static str = TRUST_SERVICE_NAME;
}

impl<B> Service<http::Request<B>> for TrustServer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != FOLLOW_TRUST {
                let unknown = Status::unimplemented(format!("{TRUST_SERVICE_NAME} has FollowTrust only"));
                return Ok(unknown.into_http());
            }
            let codec = ProstCodec::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE_BYTES);
            Ok(grpc.streaming(FollowTrust(service), request).await)
        })
    }
}

struct FollowTrust(TrustServer);

impl StreamingService<TrustReport> for FollowTrust {
    type Response = TrustAnnouncement;
    type ResponseStream = Announcements;
    type Future = Ready<Result<Response<Announcements>, Status>>;

    fn call(&mut self, request: Request<Streaming<TrustReport>>) -> Self::Future {
        ready(self.0.open(request))
    }
}
