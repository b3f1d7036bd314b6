//! What an operator stands for.

use super::time::TimeFormat;
use crate::Name;

/// One of Envoy's command operators with its argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// An operator without argument.
    Field(Field),
    /// `REQ`: a request header.
    RequestHeader(HeaderChoice),
    /// `RESP`: a response header.
    ResponseHeader(HeaderChoice),
    /// `TRAILER`: a response trailer.
    ResponseTrailer(HeaderChoice),
    /// `PATH`: the path of the request.
    Path {
        /// With what follows the `?`.
        query: bool,
        /// Before or after rewriting.
        which: WhichPath,
    },
    /// `QUERY_PARAM`: the value of the first query parameter of that name, percent-decoded.
    QueryParameter(Name),
    /// `QUERY_PARAMS`: what follows the `?`.
    QueryParameters,
    /// `RESPONSE_CODE_DETAILS`: why the response is what it is.
    ResponseCodeDetails {
        /// Blanks stay; otherwise each becomes `_`.
        allow_whitespace: bool,
    },
    /// `START_TIME`: when the request began.
    StartTime(TimeFormat),
    /// `EMIT_TIME`: when the text is made.
    EmitTime(TimeFormat),
    /// `DOWNSTREAM_PEER_CERT_V_START`, `UPSTREAM_PEER_CERT_V_END` …: from and until when the peer's certificate holds.
    PeerCertificateTime {
        /// Which peer.
        side: Side,
        /// Until when.
        end: bool,
        /// How it is written.
        format: TimeFormat,
    },
    /// `COMMON_DURATION`: time between two events.
    Between {
        /// From.
        from: TimePoint,
        /// To.
        to: TimePoint,
        /// In which unit.
        unit: Unit,
    },
    /// `GRPC_STATUS`: the status of a gRPC call.
    GrpcStatus(GrpcStatusStyle),
    /// `METADATA`, `CLUSTER_METADATA`: what is written beside a resource, by namespace and keys.
    Metadata {
        /// Beside which.
        of: MetadataOf,
        /// The namespace, and the keys into it.
        path: Box<[Name]>,
    },
    /// `ENVIRONMENT`: an environment variable of the proxy.
    Environment(Name),
    /// What nothing in this proxy ever sets: dynamic metadata, filter state, traces.
    Absent,
}

/// One header, or another where that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderChoice {
    /// Name in lower case; may begin with `:`. Empty: there is none.
    pub name: Name,
    /// Taken where the first is missing.
    pub alternative: Option<Name>,
}

/// Which path `PATH` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhichPath {
    /// As received where it was rewritten, else as it is.
    OriginalOrCurrent,
    /// As received.
    Original,
    /// As forwarded.
    Current,
}

/// An event in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimePoint {
    /// `DS_RX_BEG`: the head of the request was read.
    RequestBegin,
    /// `DS_RX_END`: the request was read whole.
    RequestEnd,
    /// `US_TX_BEG`: the sending of the request began.
    UpstreamSendBegin,
    /// `US_TX_END`: the last byte of the request was given to the upstream connection.
    UpstreamSendEnd,
    /// `US_RX_BEG`: the head of the response was read.
    ResponseBegin,
    /// `US_RX_END`: the response was read whole.
    ResponseEnd,
    /// `DS_TX_BEG`: the head of the response was given to the client's connection.
    SendBegin,
    /// `DS_TX_END`: the last byte of the response was given to the client's connection.
    SendEnd,
    /// A name that only a filter could set.
    Never,
}

/// Unit of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
}

/// How a gRPC status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrpcStatusStyle {
    /// `NotFound`
    Camel,
    /// `NOT_FOUND`
    Snake,
    /// `5`
    Number,
}

/// Whose metadata is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetadataOf {
    /// The route's.
    Route,
    /// The virtual host's.
    VirtualHost,
    /// The cluster's.
    Cluster,
}

/// Which of the two connections of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The one to the endpoint.
    Upstream,
}

/// Whose certificate on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The other side's.
    Peer,
    /// Ours.
    Local,
}

/// What is shown of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateFact {
    /// Its subject.
    Subject,
    /// Its issuer.
    Issuer,
    /// Its serial number.
    Serial,
    /// Alternative names that are URIs.
    UriSans,
    /// Alternative names that are DNS names.
    DnsSans,
    /// Alternative names that are IP addresses.
    IpSans,
    /// Alternative names that are mail addresses.
    EmailSans,
    /// Its SHA-256.
    Sha256,
    /// Its SHA-1.
    Sha1,
    /// All of it.
    Pem,
    /// The SHA-256 of it and those that came with it.
    ChainSha256,
    /// The SHA-1 of it and those that came with it.
    ChainSha1,
    /// The serial numbers of it and those that came with it.
    ChainSerials,
}

/// What is shown of the endpoints that a request was sent to, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptPart {
    /// Addresses.
    Address,
    /// Addresses without ports.
    Ip,
    /// Names, or addresses of those that have none.
    Name,
    /// The same without ports.
    NameWithoutPort,
    /// Numbers of the connections.
    Connection,
}

/// Which part of an address is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressPart {
    /// `10.0.0.1:80`
    Whole,
    /// `10.0.0.1`
    Ip,
    /// `80`
    Port,
}

/// The operators that take no argument. Each has the name of Envoy's operator.
#[allow(missing_docs, reason = "Envoy's documentation explains each under its own name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    AccessLogType,
    BytesReceived,
    BytesSent,
    Certificate(Side, Whose, CertificateFact),
    ConnectionId,
    ConnectionTerminationDetails,
    CustomFlags,
    DownstreamDirectLocalAddress(AddressPart),
    DownstreamDirectRemoteAddress(AddressPart),
    DownstreamLocalAddress(AddressPart),
    DownstreamRemoteAddress(AddressPart),
    DownstreamTransportFailureReason,
    Duration,
    FilterChainName,
    Hostname,
    LocalReplyBody,
    Protocol,
    RequestDuration,
    RequestTxDuration,
    RequestedServerName,
    ResponseCode,
    ResponseDuration,
    ResponseFlags,
    ResponseFlagsLong,
    ResponseTxDuration,
    RouteName,
    StreamId,
    TlsCipher(Side),
    TlsGroup(Side),
    TlsVersion(Side),
    UpstreamAttempts(AttemptPart),
    UpstreamCluster,
    UpstreamConnectionId,
    UpstreamConnectionPoolReadyDuration,
    UpstreamHost,
    UpstreamHostName,
    UpstreamHostNameWithoutPort,
    UpstreamLocalAddress(AddressPart),
    UpstreamProtocol,
    UpstreamRemoteAddress(AddressPart),
    UpstreamRequestAttemptCount,
    UpstreamServerName,
    UpstreamTransportFailureReason,
}
