//! The tonic shell around the session: opens streams for ever and moves messages.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::{Node, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::backoff::Backoff;
use super::session::ClientSession;
use super::status::ClientStatus;
use crate::pb;

/// Largest response in bytes: tens of thousands of clusters.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Largest request in bytes.
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Requests that wait to be sent. Each response leads to three at most, and a server has four at most in flight.
const MAX_WAITING_REQUESTS: usize = 64;

/// A stream that lasted this long was good, even if there was nothing to say on it.
const GOOD_STREAM: Duration = Duration::from_secs(30);

/// Keeps a stream to the control plane behind `channel` open until `shutdown` completes, and hands out every
/// whole snapshot through `snapshots`. While there is no stream, the last snapshot stays.
///
/// The channel should have HTTP/2 keep-alive switched on, or a control plane that vanished without a word is
/// noticed late.
pub async fn run(
    channel: Channel,
    node: Node,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    status: Arc<ClientStatus>,
    shutdown: impl Future<Output = ()>,
) {
    let mut session = ClientSession::new(node, Arc::clone(&status));
    let mut backoff = Backoff::default();
    let mut rng = fastrand::Rng::new();
    tokio::pin!(shutdown);
    loop {
        let started = Instant::now();
        let before = status.responses();
        let error = tokio::select! {
            error = stream(&channel, &mut session, &snapshots, &status) => error,
            () = &mut shutdown => return,
        };
        session.disconnected();
        if status.responses() > before || started.elapsed() >= GOOD_STREAM {
            backoff.reset();
        }
        let wait = backoff.next(&mut rng);
        tracing::warn!(error = error.message(), code = ?error.code(), ?wait, "no stream to the control plane");
        status.update(|report| {
            report.connected = false;
            report.last_error = Some(format!("{:?}: {}", error.code(), error.message()));
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = &mut shutdown => return,
        }
    }
}

/// One stream, until it ends. Gives the reason.
async fn stream(
    channel: &Channel,
    session: &mut ClientSession,
    snapshots: &watch::Sender<Option<Arc<Snapshot>>>,
    status: &ClientStatus,
) -> Status {
    let mut client = pb::ads::Client::new(channel.clone())
        .max_decoding_message_size(MAX_RESPONSE_BYTES)
        .max_encoding_message_size(MAX_REQUEST_BYTES);
    let (requests, outgoing) = mpsc::channel(MAX_WAITING_REQUESTS);
    status.update(|report| report.streams += 1);
    if let Err(status) = send(&requests, session.connected()) {
        return status;
    }
    let mut responses = match client.delta_aggregated_resources(ReceiverStream::new(outgoing)).await {
        Ok(response) => response.into_inner(),
        Err(status) => return status,
    };
    status.update(|report| report.connected = true);
    loop {
        let deadline = session.deadline().map(Instant::from_std);
        tokio::select! {
            response = responses.message() => {
                let answers = match response {
                    Ok(Some(response)) => session.receive(response),
                    Ok(None) => return Status::unavailable("the control plane has ended the stream"),
                    Err(status) => return status,
                };
                if let Err(status) = send(&requests, answers) {
                    return status;
                }
            }
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
        }
        if let Some(snapshot) = session.emit(Instant::now().into_std()) {
            snapshots.send_replace(Some(snapshot));
            // What only the snapshot before was waiting for is wanted no longer.
            if let Err(status) = send(&requests, session.resubscribe()) {
                return status;
            }
        }
    }
}

fn send(
    requests: &mpsc::Sender<pb::DeltaDiscoveryRequest>,
    list: Vec<pb::DeltaDiscoveryRequest>,
) -> Result<(), Status> {
    for request in list {
        requests
            .try_send(request)
            .map_err(|_| Status::resource_exhausted("the control plane does not read what it is sent"))?;
    }
    Ok(())
}
