//! The two dialects of ADS behind one face, and the streams that they are spoken on.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::holdings::Holdings;
use super::introduction::Introduction;
use super::link::Link;
use super::session::ClientSession;
use super::sotw::SotwSession;
use crate::pb;

/// Largest response in bytes: tens of thousands of clusters.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Largest request in bytes.
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Requests that wait to be sent. Each response leads to three at most, and a server has four at most in flight.
const MAX_WAITING_REQUESTS: usize = 64;

/// What was said on the streams so far.
pub(super) enum Dialect {
    Delta(ClientSession),
    StateOfTheWorld(SotwSession),
}

/// What is to be sent.
pub(super) enum Requests {
    Delta(Vec<pb::DeltaDiscoveryRequest>),
    StateOfTheWorld(Vec<pb::DiscoveryRequest>),
}

/// What has come.
pub(super) enum Response {
    Delta(pb::DeltaDiscoveryResponse),
    StateOfTheWorld(pb::DiscoveryResponse),
}

impl Dialect {
    pub(super) fn delta(introduction: Introduction) -> Dialect {
        Dialect::Delta(ClientSession::new(introduction))
    }

    pub(super) fn state_of_the_world(introduction: Introduction, names_node_once: bool) -> Dialect {
        Dialect::StateOfTheWorld(SotwSession::new(introduction, names_node_once))
    }

    pub(super) fn connected(&mut self, holdings: &mut Holdings) -> Requests {
        match self {
            Dialect::Delta(session) => Requests::Delta(session.connected(holdings)),
            Dialect::StateOfTheWorld(session) => Requests::StateOfTheWorld(session.connected(holdings)),
        }
    }

    /// What follows from a response. One in the other dialect cannot come: the stream is of the session's own.
    pub(super) fn receive(&mut self, holdings: &mut Holdings, response: Response) -> Requests {
        match (self, response) {
            (Dialect::Delta(session), Response::Delta(response)) => {
                Requests::Delta(session.receive(holdings, response))
            }
            (Dialect::StateOfTheWorld(session), Response::StateOfTheWorld(response)) => {
                Requests::StateOfTheWorld(session.receive(holdings, response))
            }
            (session, _) => session.resubscribe(holdings),
        }
    }

    pub(super) fn resubscribe(&mut self, holdings: &mut Holdings) -> Requests {
        match self {
            Dialect::Delta(session) => Requests::Delta(session.resubscribe(holdings)),
            Dialect::StateOfTheWorld(session) => Requests::StateOfTheWorld(session.resubscribe(holdings)),
        }
    }
}

/// One stream to a control plane.
pub(super) enum Stream {
    Delta(mpsc::Sender<pb::DeltaDiscoveryRequest>, Streaming<pb::DeltaDiscoveryResponse>),
    StateOfTheWorld(mpsc::Sender<pb::DiscoveryRequest>, Streaming<pb::DiscoveryResponse>),
}

impl Stream {
    /// Opens a stream and says something on it at once: many servers say nothing before.
    pub(super) async fn open(link: &mut Link, first: Requests) -> Result<Stream, Status> {
        let mut client = pb::ads::Client::new(link.channel())
            .max_decoding_message_size(MAX_RESPONSE_BYTES)
            .max_encoding_message_size(MAX_REQUEST_BYTES);
        match first {
            Requests::Delta(first) => {
                let (requests, outgoing) = mpsc::channel(MAX_WAITING_REQUESTS);
                send(&requests, first)?;
                let mut call = Request::new(ReceiverStream::new(outgoing));
                *call.metadata_mut() = link.headers();
                let responses = client.delta_aggregated_resources(call).await?.into_inner();
                Ok(Stream::Delta(requests, responses))
            }
            Requests::StateOfTheWorld(first) => {
                let (requests, outgoing) = mpsc::channel(MAX_WAITING_REQUESTS);
                send(&requests, first)?;
                let mut call = Request::new(ReceiverStream::new(outgoing));
                *call.metadata_mut() = link.headers();
                let responses = client.stream_aggregated_resources(call).await?.into_inner();
                Ok(Stream::StateOfTheWorld(requests, responses))
            }
        }
    }

    /// The next response. It is cancelled without loss.
    pub(super) async fn next(&mut self) -> Result<Response, Status> {
        let ended = || Status::unavailable("the control plane has ended the stream");
        match self {
            Stream::Delta(_, responses) => responses.message().await?.map(Response::Delta).ok_or_else(ended),
            Stream::StateOfTheWorld(_, responses) => {
                responses.message().await?.map(Response::StateOfTheWorld).ok_or_else(ended)
            }
        }
    }

    /// Sends requests, in the stream's own dialect.
    pub(super) fn send(&self, list: Requests) -> Result<(), Status> {
        match (self, list) {
            (Stream::Delta(requests, _), Requests::Delta(list)) => send(requests, list),
            (Stream::StateOfTheWorld(requests, _), Requests::StateOfTheWorld(list)) => send(requests, list),
            _ => Err(Status::internal("a request in the wrong dialect")),
        }
    }
}

fn send<T>(requests: &mpsc::Sender<T>, list: Vec<T>) -> Result<(), Status> {
    for request in list {
        requests
            .try_send(request)
            .map_err(|_| Status::resource_exhausted("the control plane does not read what it is sent"))?;
    }
    Ok(())
}
