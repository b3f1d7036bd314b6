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
    /// `DOWNSTREAM_PEER_CERT_V_START`, `DOWNSTREAM_PEER_CERT_V_END`: from and until when the client's certificate holds.
    PeerCertificateTime {
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
    ConnectionId,
    ConnectionTerminationDetails,
    CustomFlags,
    DownstreamDirectLocalAddress(AddressPart),
    DownstreamDirectRemoteAddress(AddressPart),
    DownstreamLocalAddress(AddressPart),
    DownstreamLocalSubject,
    DownstreamLocalUriSan,
    DownstreamLocalDnsSan,
    DownstreamPeerCert,
    DownstreamPeerDnsSan,
    DownstreamPeerFingerprint256,
    DownstreamPeerIssuer,
    DownstreamPeerSerial,
    DownstreamPeerSubject,
    DownstreamPeerUriSan,
    DownstreamRemoteAddress(AddressPart),
    DownstreamTlsCipher,
    DownstreamTlsVersion,
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
    UpstreamCluster,
    UpstreamHost,
    UpstreamHostName,
    UpstreamHostNameWithoutPort,
    UpstreamLocalAddress(AddressPart),
    UpstreamProtocol,
    UpstreamRemoteAddress(AddressPart),
    UpstreamRequestAttemptCount,
    UpstreamTlsCipher,
    UpstreamTlsVersion,
    UpstreamTransportFailureReason,
}
