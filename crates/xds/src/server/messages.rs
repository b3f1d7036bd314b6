//! gRPC messages of a long stream, without the buffers that a server of tonic keeps for it. Those grow to the largest message and stay
//! for as long as the stream is open, which was 64 KiB for every proxy that had been told of its endpoints. Here a message has
//! exactly its own bytes, and they go when they are written. What the messages say is not looked at.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes};
use http_body::Frame;
use prost::Message;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic::{Status, Streaming};

/// Largest request in bytes. A proxy that comes back names every resource that it has.
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Largest response in bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// What precedes each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Buffer of requests at first. Most are acknowledgements.
const REQUEST_BUFFER_BYTES: usize = 512;

/// A message, ready to be written, or the end of the stream.
pub(super) type Encoded = Result<Bytes, Status>;

/// Puts a message into the form in which it is written.
///
/// # Errors
/// It is too large.
pub(super) fn encode(message: &impl Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_RESPONSE_BYTES);
    let prefix = prefix.ok_or_else(|| {
        Status::out_of_range(format!(
            "a response of {length} bytes is too large, at most {MAX_RESPONSE_BYTES} are allowed"
        ))
    })?;
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(prefix);
    message.encode_raw(&mut bytes);
    Ok(bytes.into())
}

/// The messages of a request as they come in.
pub(super) fn requests<T: Message + Default + 'static>(body: Body) -> Streaming<T> {
    Streaming::new_request(Requests(std::marker::PhantomData), body, None, Some(MAX_REQUEST_BYTES))
}

/// A response whose messages come from `queue`. Where the sender is dropped, or sends an error, is its end.
pub(super) fn response(queue: mpsc::Receiver<Encoded>) -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(Responses { queue, ended: false }));
    response.headers_mut().insert(http::header::CONTENT_TYPE, tonic::metadata::GRPC_CONTENT_TYPE);
    response
}

struct Requests<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Message + Default + 'static> Decoder for Requests<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(REQUEST_BUFFER_BYTES, REQUEST_BUFFER_BYTES)
    }
}

struct Responses {
    queue: mpsc::Receiver<Encoded>,
    ended: bool,
}

impl http_body::Body for Responses {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.queue.poll_recv(cx));
        let status = match next {
            Some(Ok(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.ended = true;
        let mut trailers = http::HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
