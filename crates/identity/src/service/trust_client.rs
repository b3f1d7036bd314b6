//! A proxy's side of `FollowTrust`: one stream, read as announcements that have been checked.

use std::time::Duration;

use http::uri::PathAndQuery;
use ripstop_model::spiffe::TrustDomain;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::FOLLOW_TRUST;
use super::client::{RequestError, explain, with_sources};
use super::trust_messages::{TrustAnnouncement, TrustReport};
use crate::authority::Announcement;
use crate::bundle::TrustBundle;
use crate::revocation::Revocations;
use crate::trust::Trust;

/// The stream is open, and the first announcement there, within this.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest announcement in bytes: hundreds of foreign domains.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Reports that wait to be sent: one for each announcement.
const MAX_WAITING: usize = 8;

/// An open stream.
pub(crate) struct TrustStream {
    reports: mpsc::Sender<TrustReport>,
    announcements: Streaming<TrustAnnouncement>,
    domain: TrustDomain,
}

impl TrustStream {
    /// Opens a stream on `channel`, as `instance` of the trust domain `domain`, which trusts `version` so far.
    ///
    /// # Errors
    /// The authority cannot be reached or does not let us follow.
    pub(crate) async fn open(
        channel: Channel,
        domain: TrustDomain,
        instance: &str,
        version: String,
    ) -> Result<Self, RequestError> {
        let (reports, outgoing) = mpsc::channel(MAX_WAITING);
        let first = TrustReport { instance: instance.to_owned(), trusts: version, error: String::new() };
        // There is room: nothing was sent before.
        let _ = reports.try_send(first);
        let open = async {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
            grpc.ready().await.map_err(|error| {
                RequestError::Unreachable(with_sources(&error.to_string(), std::error::Error::source(&error)))
            })?;
            let codec = ProstCodec::<TrustReport, TrustAnnouncement>::default();
            let request = Request::new(ReceiverStream::new(outgoing));
            let response = grpc.streaming(request, PathAndQuery::from_static(FOLLOW_TRUST), codec).await;
            response.map_err(|status| explain(&status))
        };
        let opened = tokio::time::timeout(OPEN_TIMEOUT, open).await.map_err(|_| RequestError::Timeout)??;
        Ok(Self { reports, announcements: opened.into_inner(), domain })
    }

    /// The next announcement. One that cannot be taken is reported to the authority and left out.
    ///
    /// # Errors
    /// Why the stream has ended.
    pub(crate) async fn next(&mut self) -> Result<Announcement, RequestError> {
        loop {
            let message = self.announcements.message().await.map_err(|status| explain(&status))?;
            let message = message.ok_or_else(|| RequestError::Unreachable("the stream ended".to_owned()))?;
            match read(&message, &self.domain) {
                Ok(announcement) => return Ok(announcement),
                Err(error) => {
                    tracing::error!(error, "an announcement of the authority cannot be taken");
                    let report = TrustReport { error, ..TrustReport::default() };
                    self.report(report).await?;
                }
            }
        }
    }

    /// Confirms that what `version` names is trusted from now on.
    ///
    /// # Errors
    /// The stream has ended.
    pub(crate) async fn confirm(&self, version: &str) -> Result<(), RequestError> {
        self.report(TrustReport { trusts: version.to_owned(), ..TrustReport::default() }).await
    }

    async fn report(&self, report: TrustReport) -> Result<(), RequestError> {
        let sent = self.reports.send(report).await;
        sent.map_err(|_| RequestError::Unreachable("the stream ended".to_owned()))
    }
}

fn read(message: &TrustAnnouncement, domain: &TrustDomain) -> Result<Announcement, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let own = TrustBundle::from_pem(domain.clone(), &message.roots_pem).map_err(|error| text(&error))?;
    let aliases = message.aliases.iter().map(|name| TrustDomain::new(name));
    let aliases = aliases.collect::<Result<Vec<_>, _>>().map_err(|error| text(&error))?;
    let federated = message.federated.iter().map(|roots| {
        let domain = TrustDomain::new(&roots.trust_domain).map_err(|error| error.to_string())?;
        let bundle = TrustBundle::from_pem(domain, &roots.roots_pem).map_err(|error| error.to_string())?;
        Ok(std::sync::Arc::new(bundle))
    });
    let federated = federated.collect::<Result<Vec<_>, String>>()?;
    let trust = Trust::own(own).with_aliases(aliases).map_err(|error| text(&error))?;
    let trust = trust.with_federated(federated).map_err(|error| text(&error))?;
    let lists = message.revocation_lists.iter().map(|list| list.clone().into()).collect();
    let trust = trust.with_revocations(Revocations::new(lists).map_err(|error| text(&error))?);
    // What is confirmed is what was read, not what it was called.
    Ok(Announcement { version: trust.version(), trust, issuer: message.issuer.clone() })
}
