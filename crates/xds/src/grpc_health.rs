//! The messages of `grpc.health.v1`, in their frames. What follows from an answer is decided elsewhere.

use prost::Message;

/// Path of the call.
pub const CHECK_PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes before each message: whether it is compressed, and its length.
const FRAME_HEAD_BYTES: usize = 5;

/// `HealthCheckRequest`
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `ServingStatus.SERVING`
const SERVING: i32 = 1;

/// The body of a call that asks about a service; the empty name asks about the server as a whole.
pub fn request(service: &str) -> Vec<u8> {
    let message = Request { service: service.to_owned() }.encode_to_vec();
    // A name is never longer than the configuration that it stands in, which is bounded.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// Whether the body of an answer is one message that says SERVING.
pub fn is_serving(body: &[u8]) -> bool {
    let Some((head, message)) = body.split_first_chunk::<FRAME_HEAD_BYTES>() else { return false };
    let [compressed, length @ ..] = *head;
    let whole = usize::try_from(u32::from_be_bytes(length)).is_ok_and(|length| length == message.len());
    compressed == 0 && whole && Response::decode(message).is_ok_and(|response| response.status == SERVING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_frame() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B"), [0, 0, 0, 0, 5, 10, 3, b'a', b'.', b'B']);
    }

    #[test]
    fn only_a_whole_message_that_says_so_is_serving() {
        let check = |body: &[u8], serving| assert_eq!(is_serving(body), serving, "{body:?}");
        check(&[0, 0, 0, 0, 2, 8, 1], true);
        check(&[0, 0, 0, 0, 2, 8, 2], false);
        check(&[0, 0, 0, 0, 0], false);
        check(&[1, 0, 0, 0, 2, 8, 1], false);
        check(&[0, 0, 0, 0, 3, 8, 1], false);
        check(&[0, 0, 0, 0, 2, 8, 1, 0], false);
        check(&[], false);
    }
}
