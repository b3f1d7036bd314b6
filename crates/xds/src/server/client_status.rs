//! `envoy.service.status.v3.ClientStatusDiscoveryService`: which clients there are, what each was sent, and what it has answered. Whom
//! somebody may see is decided elsewhere (see [`ClientSource`]). What a client makes of what it has is for the client to say,
//! and so is not told here (`client_status`); keys of secrets are not told either.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::{Nack, Peer, Refusal, StreamReport, TypeReport};
use crate::encoded::EncodedResource;
use crate::pb::csds::client_config::GenericXdsConfig;
use crate::pb::csds::{ClientConfig, ClientStatusRequest, ClientStatusResponse, ConfigStatus};
use crate::pb::string_matcher::MatchPattern;
use crate::{EncodedSnapshot, ResourceType, pb};

/// Largest answer in bytes. Whoever asks for more leaves out the contents, or names clients.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Most matchers in one request.
const MAX_MATCHERS: usize = 100;

/// The service, to be added to a tonic server.
pub type ClientStatusServer = pb::csds::Server<ClientStatusService>;

/// One stream of a client.
#[derive(Clone, Debug)]
pub struct ClientView {
    /// The node id.
    pub id: String,
    /// The namespace of its workload.
    pub namespace: String,
    /// Name and version of its software.
    pub user_agent: String,
    /// What it is shown.
    pub snapshot: Arc<EncodedSnapshot>,
    /// What became of it.
    pub report: StreamReport,
}

/// Knows the clients.
pub trait ClientSource: Send + Sync + 'static {
    /// The clients that `peer` may see, one for each stream.
    ///
    /// # Errors
    /// It may see none.
    fn clients(&self, peer: &Peer) -> Result<Vec<ClientView>, Refusal>;
}

/// The service over the clients of `source`.
pub fn client_status_server(source: Arc<dyn ClientSource>) -> ClientStatusServer {
    pb::csds::Server::new(ClientStatusService { source }).max_encoding_message_size(MAX_RESPONSE_BYTES)
}

/// Both methods of the service.
pub struct ClientStatusService {
    source: Arc<dyn ClientSource>,
}

#[tonic::async_trait]
impl pb::csds::Service for ClientStatusService {
    type StreamClientStatusStream = Pin<Box<dyn Stream<Item = Result<ClientStatusResponse, Status>> + Send>>;

    async fn stream_client_status(
        &self,
        request: Request<Streaming<ClientStatusRequest>>,
    ) -> Result<Response<Self::StreamClientStatusStream>, Status> {
        let peer = peer(&request);
        let source = Arc::clone(&self.source);
        let requests = request.into_inner();
        let answers = requests.map(move |request| answer(&*source, &peer, &request?));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn fetch_client_status(
        &self,
        request: Request<ClientStatusRequest>,
    ) -> Result<Response<ClientStatusResponse>, Status> {
        let peer = peer(&request);
        answer(&*self.source, &peer, request.get_ref()).map(Response::new)
    }
}

fn peer<T>(request: &Request<T>) -> Peer {
    request.extensions().get::<Peer>().cloned().unwrap_or_default()
}

fn answer(
    source: &dyn ClientSource,
    peer: &Peer,
    request: &ClientStatusRequest,
) -> Result<ClientStatusResponse, Status> {
    check(request)?;
    let clients = source.clients(peer).map_err(|refusal| Status::permission_denied(refusal.0))?;
    let wanted = clients.iter().filter(|client| {
        let mut ids = request.node_matchers.iter().map(|matcher| matcher.node_id.as_ref());
        request.node_matchers.is_empty() || ids.any(|id| id.is_none_or(|id| fits(id, &client.id)))
    });
    let config = wanted.map(|client| of_client(client, !request.exclude_resource_contents)).collect();
    Ok(ClientStatusResponse { config })
}

/// Refuses what is not understood, since it would otherwise choose the wrong clients.
fn check(request: &ClientStatusRequest) -> Result<(), Status> {
    if request.node_matchers.len() > MAX_MATCHERS {
        return Err(Status::invalid_argument(format!("at most {MAX_MATCHERS} node_matchers are allowed")));
    }
    for matcher in &request.node_matchers {
        if !matcher.node_metadatas.is_empty() {
            return Err(Status::invalid_argument(
                "node_matchers choose by node_id alone, not by node_metadatas",
            ));
        }
        let known = matcher.node_id.as_ref().is_none_or(|id| {
            use MatchPattern::{Contains, Exact, Prefix, Suffix};
            matches!(id.match_pattern, Some(Exact(_) | Prefix(_) | Suffix(_) | Contains(_)))
        });
        if !known {
            return Err(Status::invalid_argument("node_id is matched by exact, prefix, suffix or contains"));
        }
    }
    Ok(())
}

fn fits(matcher: &pb::StringMatcher, id: &str) -> bool {
    let fold = |text: &str| if matcher.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let id = fold(id);
    match &matcher.match_pattern {
        Some(MatchPattern::Exact(text)) => id == fold(text),
        Some(MatchPattern::Prefix(text)) => id.starts_with(&fold(text)),
        Some(MatchPattern::Suffix(text)) => id.ends_with(&fold(text)),
        Some(MatchPattern::Contains(text)) => id.contains(&fold(text)),
        _ => false,
    }
}

fn of_client(client: &ClientView, with_contents: bool) -> ClientConfig {
    let resources = ResourceType::ALL.into_iter().flat_map(|kind| {
        let report = client.report.types.get(&kind);
        let resources = client.snapshot.of(kind).resources.values();
        resources.map(move |resource| of_resource(kind, resource, report, with_contents))
    });
    ClientConfig { node: Some(node(client)), generic_xds_configs: resources.collect(), ..Default::default() }
}

fn node(client: &ClientView) -> pb::Node {
    let namespace = pb::Value { kind: Some(pb::value::Kind::StringValue(client.namespace.clone())) };
    let fields = [(ripstop_model::Node::NAMESPACE.to_owned(), namespace)].into();
    pb::Node {
        id: client.id.clone(),
        metadata: Some(pb::Struct { fields }),
        user_agent_name: client.user_agent.clone(),
        ..Default::default()
    }
}

fn of_resource(
    kind: ResourceType,
    resource: &EncodedResource,
    report: Option<&TypeReport>,
    with_contents: bool,
) -> GenericXdsConfig {
    let status = status(report);
    let refusal = report.and_then(|report| report.last_nack.as_ref());
    let tell = with_contents && kind != ResourceType::Secret;
    let any = || pb::Any { type_url: kind.type_url().to_owned(), value: resource.value.clone() };
    GenericXdsConfig {
        type_url: kind.type_url().to_owned(),
        name: resource.name.to_string(),
        version_info: resource.version(),
        xds_config: tell.then(any),
        config_status: status.into(),
        error_state: refusal.filter(|_| status == ConfigStatus::Error).map(failure),
        ..Default::default()
    }
}

/// How a client stands to what it was sent of a type.
fn status(report: Option<&TypeReport>) -> ConfigStatus {
    let Some(report) = report else { return ConfigStatus::NotSent };
    let refused = report.last_nack.as_ref().map(|nack| nack.version.as_str());
    match report.sent.as_deref() {
        None => ConfigStatus::NotSent,
        Some(_) if report.is_synced() => ConfigStatus::Synced,
        sent if sent == refused => ConfigStatus::Error,
        Some(_) => ConfigStatus::Stale,
    }
}

fn failure(nack: &Nack) -> pb::csds::UpdateFailureState {
    let since = nack.at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    pb::csds::UpdateFailureState {
        last_update_attempt: Some(pb::csds::Timestamp {
            seconds: since.as_secs().try_into().unwrap_or(i64::MAX),
            nanos: since.subsec_nanos().try_into().unwrap_or_default(),
        }),
        details: nack.message.clone(),
        version_info: nack.version.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use ripstop_model::{Cluster, Discovery, Snapshot};

    use super::*;

    struct Two;

    impl ClientSource for Two {
        fn clients(&self, peer: &Peer) -> Result<Vec<ClientView>, Refusal> {
            if *peer == Peer::Unknown {
                return Err(Refusal("nobody".to_owned()));
            }
            Ok(["cart-1", "shop-1"].map(|id| client(id, TypeReport::default())).into())
        }
    }

    fn client(id: &str, clusters: TypeReport) -> ClientView {
        let mut snapshot = Snapshot::default();
        let cluster = Cluster::new("c", Discovery::Eds { service_name: None });
        snapshot.clusters.insert("c".into(), Arc::new(cluster));
        ClientView {
            id: id.to_owned(),
            namespace: "default".to_owned(),
            user_agent: "envoy".to_owned(),
            snapshot: Arc::new(crate::encode_snapshot(&snapshot, None)),
            report: StreamReport {
                types: [(ResourceType::Cluster, clusters)].into(),
                ..StreamReport::default()
            },
        }
    }

    fn request(pattern: Option<MatchPattern>) -> ClientStatusRequest {
        let id = pb::StringMatcher { match_pattern: pattern, ignore_case: true };
        let matcher = pb::csds::NodeMatcher { node_id: Some(id), node_metadatas: Vec::new() };
        ClientStatusRequest { node_matchers: vec![matcher], ..Default::default() }
    }

    fn ids(request: &ClientStatusRequest) -> Vec<String> {
        let answered = answer(&Two, &Peer::Local, request).unwrap();
        answered.config.into_iter().map(|config| config.node.unwrap().id).collect()
    }

    #[test]
    fn clients_are_chosen_by_their_ids() {
        assert_eq!(ids(&ClientStatusRequest::default()), ["cart-1", "shop-1"]);
        assert_eq!(ids(&request(Some(MatchPattern::Exact("CART-1".to_owned())))), ["cart-1"]);
        assert_eq!(ids(&request(Some(MatchPattern::Prefix("shop".to_owned())))), ["shop-1"]);
        assert_eq!(ids(&request(Some(MatchPattern::Suffix("-1".to_owned())))), ["cart-1", "shop-1"]);
        assert_eq!(ids(&request(Some(MatchPattern::Contains("hop".to_owned())))), ["shop-1"]);
        let refused = answer(&Two, &Peer::Local, &request(None)).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        let refused = answer(&Two, &Peer::Unknown, &ClientStatusRequest::default()).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }

    #[test]
    fn a_state_says_what_was_answered() {
        let report = |sent: &str, acked: Option<&str>, refused: Option<&str>| TypeReport {
            sent: Some(sent.to_owned()),
            acked: acked.map(str::to_owned),
            last_nack: refused.map(|version| Nack {
                message: "c: no".to_owned(),
                version: version.to_owned(),
                at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
            }),
            ..TypeReport::default()
        };
        let of = |report: TypeReport| of_client(&client("cart-1", report), true);
        let state = |config: &ClientConfig| config.generic_xds_configs[0].config_status;
        assert_eq!(state(&of(TypeReport::default())), ConfigStatus::NotSent as i32);
        assert_eq!(state(&of(report("2", Some("2"), Some("1")))), ConfigStatus::Synced as i32);
        assert_eq!(state(&of(report("2", Some("1"), None))), ConfigStatus::Stale as i32);
        let refused = of(report("2", Some("1"), Some("2")));
        assert_eq!(state(&refused), ConfigStatus::Error as i32);
        let failure = refused.generic_xds_configs[0].error_state.clone().unwrap();
        assert_eq!((failure.details.as_str(), failure.version_info.as_str()), ("c: no", "2"));
        assert_eq!(failure.last_update_attempt.unwrap().nanos, 500_000_000);
        assert!(refused.generic_xds_configs[0].xds_config.is_some());
        let without = of_client(&client("cart-1", TypeReport::default()), false);
        assert!(without.generic_xds_configs[0].xds_config.is_none());
    }
}
