//! A stream to a server of secrets (SDS without ADS): one for each secret, as Envoy has it.

use ripstop_model::tls::{Secret, SecretRef};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use super::backoff::Backoff;
use super::following::Update;
use super::link::Link;
use crate::{ResourceType, decode, pb};

/// Largest response in bytes.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// Requests that wait to be sent: the answer to one response, and room.
const MAX_WAITING_REQUESTS: usize = 4;
/// gRPC's number for a request that makes no sense.
const INVALID_ARGUMENT: i32 = 3;

/// Asks the server behind `link` for a secret and tells each version of it, until nobody listens. A stream that is lost is
/// opened again; meanwhile the secret from before stays.
pub async fn follow_secret(mut link: Link, secret: SecretRef, said: mpsc::Sender<Update>) {
    let mut backoff = Backoff::default();
    let mut rng = fastrand::Rng::new();
    let mut version = String::new();
    loop {
        let started = Instant::now();
        let Err(error) = stream(&mut link, &secret, &mut version, &said).await else { return };
        if started.elapsed() >= super::transport::GOOD_STREAM {
            backoff.reset();
        }
        let wait = backoff.next(&mut rng);
        let name = &*secret.name;
        tracing::warn!(secret = name, error = error.message(), code = ?error.code(), ?wait, "no stream of secrets");
        tokio::time::sleep(wait).await;
    }
}

/// One stream, until it ends (an error) or nobody listens.
async fn stream(
    link: &mut Link,
    secret: &SecretRef,
    version: &mut String,
    said: &mpsc::Sender<Update>,
) -> Result<(), Status> {
    let mut client = pb::sds::Client::new(link.channel()).max_decoding_message_size(MAX_RESPONSE_BYTES);
    let (requests, outgoing) = mpsc::channel(MAX_WAITING_REQUESTS);
    let ask = |nonce: &str, version: &str, error: Option<pb::Status>| pb::DiscoveryRequest {
        version_info: version.to_owned(),
        resource_names: vec![secret.name.to_string()],
        type_url: ResourceType::Secret.type_url().to_owned(),
        response_nonce: nonce.to_owned(),
        error_detail: error,
        ..Default::default()
    };
    let full = |_| Status::resource_exhausted("the server does not read what it is sent");
    let first = pb::DiscoveryRequest { node: Some(link.introduction.node.clone()), ..ask("", version, None) };
    requests.try_send(first).map_err(full)?;
    let mut call = Request::new(ReceiverStream::new(outgoing));
    *call.metadata_mut() = link.headers();
    let mut responses = client.stream_secrets(call).await?.into_inner();
    loop {
        let Some(response) = responses.message().await? else {
            return Err(Status::unavailable("the server has ended the stream"));
        };
        let error = match of_response(secret, &response) {
            Ok(Some(found)) => {
                if said.send(Update::Secret(secret.clone(), found)).await.is_err() {
                    return Ok(());
                }
                None
            }
            Ok(None) => None,
            Err(message) => {
                tracing::error!(secret = &*secret.name, "refused: {message}");
                Some(pb::Status { code: INVALID_ARGUMENT, message, ..Default::default() })
            }
        };
        if error.is_none() {
            version.clone_from(&response.version_info);
        }
        requests.try_send(ask(&response.nonce, version, error)).map_err(full)?;
    }
}

/// The secret that was asked for, if the response has it.
fn of_response(wanted: &SecretRef, response: &pb::DiscoveryResponse) -> Result<Option<Secret>, String> {
    for any in &response.resources {
        if any.type_url != ResourceType::Secret.type_url() {
            return Err(format!("is a {}, not a secret", any.type_url));
        }
        let decoded = decode::decode_secret(&any.value).map_err(|refusal| refusal.to_string())?;
        if decoded.value.name == wanted.name {
            return Ok(Some(decoded.value));
        }
    }
    Ok(None)
}
