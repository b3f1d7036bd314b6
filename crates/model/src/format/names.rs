//! The names of the operators that take no argument.

use super::operator::{AddressPart, AttemptPart, CertificateFact, Field, Operator, Side, Whose};

/// The operator of that name, if there is one that takes no argument.
pub(super) fn field(name: &str) -> Option<Operator> {
    if let Some(found) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Some(Operator::Field(found.1));
    }
    if let Some(field) = address(name).or_else(|| tls(name)) {
        return Some(Operator::Field(field));
    }
    ABSENT.contains(&name).then_some(Operator::Absent)
}

/// Envoy's operators that cannot be shown truthfully here.
pub(super) fn is_known_elsewhere(name: &str) -> bool {
    UNSUPPORTED.contains(&name)
}

/// What only a tracer or a virtual cluster could set.
const ABSENT: &[&str] = &["TRACE_ID", "SPAN_ID", "VIRTUAL_CLUSTER_NAME"];

/// Known to Envoy; told apart from misspelt names in errors.
const UNSUPPORTED: &[&str] = &[
    "BYTES_RETRANSMITTED",
    "CEL",
    "COALESCE",
    "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "EMIT_TIME_LOCAL",
    "PACKETS_RETRANSMITTED",
    "ROUNDTRIP_DURATION",
    "ROUTE_RESOLUTION_COUNT",
    "ROUTE_RESOLUTION_TIME_US",
    "START_TIME_LOCAL",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_METADATA",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
];

const FIELDS: &[(&str, Field)] = &[
    ("ACCESS_LOG_TYPE", Field::AccessLogType),
    ("BYTES_RECEIVED", Field::BytesReceived),
    ("BYTES_SENT", Field::BytesSent),
    ("CONNECTION_ID", Field::ConnectionId),
    ("CONNECTION_TERMINATION_DETAILS", Field::ConnectionTerminationDetails),
    ("CUSTOM_FLAGS", Field::CustomFlags),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Field::DownstreamTransportFailureReason),
    ("DURATION", Field::Duration),
    ("FILTER_CHAIN_NAME", Field::FilterChainName),
    ("HOSTNAME", Field::Hostname),
    ("LOCAL_REPLY_BODY", Field::LocalReplyBody),
    ("PROTOCOL", Field::Protocol),
    ("REQUESTED_SERVER_NAME", Field::RequestedServerName),
    ("REQUEST_DURATION", Field::RequestDuration),
    ("REQUEST_TX_DURATION", Field::RequestTxDuration),
    ("RESPONSE_CODE", Field::ResponseCode),
    ("RESPONSE_DURATION", Field::ResponseDuration),
    ("RESPONSE_FLAGS", Field::ResponseFlags),
    ("RESPONSE_FLAGS_LONG", Field::ResponseFlagsLong),
    ("RESPONSE_TX_DURATION", Field::ResponseTxDuration),
    ("ROUTE_NAME", Field::RouteName),
    ("STREAM_ID", Field::StreamId),
    ("UPSTREAM_CONNECTION_ID", Field::UpstreamConnectionId),
    ("UPSTREAM_CONNECTION_IDS_ATTEMPTED", Field::UpstreamAttempts(AttemptPart::Connection)),
    ("UPSTREAM_CONNECTION_POOL_READY_DURATION", Field::UpstreamConnectionPoolReadyDuration),
    ("UPSTREAM_HOSTS_ATTEMPTED", Field::UpstreamAttempts(AttemptPart::Address)),
    ("UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", Field::UpstreamAttempts(AttemptPart::Ip)),
    ("UPSTREAM_HOST_NAMES_ATTEMPTED", Field::UpstreamAttempts(AttemptPart::Name)),
    ("UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", Field::UpstreamAttempts(AttemptPart::NameWithoutPort)),
    ("UPSTREAM_SERVER_NAME", Field::UpstreamServerName),
    ("UPSTREAM_CLUSTER", Field::UpstreamCluster),
    ("UPSTREAM_CLUSTER_RAW", Field::UpstreamCluster),
    ("UPSTREAM_HOST", Field::UpstreamHost),
    ("UPSTREAM_HOST_NAME", Field::UpstreamHostName),
    ("UPSTREAM_HOST_NAME_WITHOUT_PORT", Field::UpstreamHostNameWithoutPort),
    ("UPSTREAM_PROTOCOL", Field::UpstreamProtocol),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Field::UpstreamRequestAttemptCount),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Field::UpstreamTransportFailureReason),
];

/// `…_ADDRESS`, `…_ADDRESS_WITHOUT_PORT` and `…_PORT` of the five addresses.
fn address(name: &str) -> Option<Field> {
    let (stem, part) = if let Some(stem) = name.strip_suffix("_ADDRESS_WITHOUT_PORT") {
        (stem, AddressPart::Ip)
    } else if let Some(stem) = name.strip_suffix("_ADDRESS") {
        (stem, AddressPart::Whole)
    } else {
        (name.strip_suffix("_PORT")?, AddressPart::Port)
    };
    Some(match stem {
        "DOWNSTREAM_DIRECT_LOCAL" => Field::DownstreamDirectLocalAddress(part),
        "DOWNSTREAM_DIRECT_REMOTE" => Field::DownstreamDirectRemoteAddress(part),
        "DOWNSTREAM_LOCAL" => Field::DownstreamLocalAddress(part),
        "DOWNSTREAM_REMOTE" => Field::DownstreamRemoteAddress(part),
        "UPSTREAM_LOCAL" => Field::UpstreamLocalAddress(part),
        "UPSTREAM_REMOTE" => Field::UpstreamRemoteAddress(part),
        _ => return None,
    })
}

/// What is shown of TLS and of certificates.
fn tls(name: &str) -> Option<Field> {
    let (side, rest) = if let Some(rest) = name.strip_prefix("DOWNSTREAM_") {
        (Side::Downstream, rest)
    } else {
        (Side::Upstream, name.strip_prefix("UPSTREAM_")?)
    };
    let (whose, fact) = match rest {
        "TLS_VERSION" => return Some(Field::TlsVersion(side)),
        "TLS_CIPHER" => return Some(Field::TlsCipher(side)),
        "TLS_GROUP" => return Some(Field::TlsGroup(side)),
        _ => match rest.strip_prefix("PEER_") {
            Some(fact) => (Whose::Peer, fact),
            None => (Whose::Local, rest.strip_prefix("LOCAL_")?),
        },
    };
    let fact = match (fact, whose, side) {
        ("URI_SAN", ..) => CertificateFact::UriSans,
        ("DNS_SAN", ..) => CertificateFact::DnsSans,
        ("IP_SAN", ..) => CertificateFact::IpSans,
        ("EMAIL_SAN", _, Side::Downstream) => CertificateFact::EmailSans,
        ("SUBJECT", Whose::Peer, _) | ("SUBJECT", Whose::Local, Side::Downstream) => CertificateFact::Subject,
        ("ISSUER", Whose::Peer, _) => CertificateFact::Issuer,
        ("CERT", Whose::Peer, _) => CertificateFact::Pem,
        ("SERIAL", Whose::Peer, Side::Downstream) => CertificateFact::Serial,
        ("FINGERPRINT_256", Whose::Peer, Side::Downstream) => CertificateFact::Sha256,
        ("FINGERPRINT_1", Whose::Peer, Side::Downstream) => CertificateFact::Sha1,
        ("CHAIN_FINGERPRINTS_256", Whose::Peer, Side::Downstream) => CertificateFact::ChainSha256,
        ("CHAIN_FINGERPRINTS_1", Whose::Peer, Side::Downstream) => CertificateFact::ChainSha1,
        ("CHAIN_SERIALS", Whose::Peer, Side::Downstream) => CertificateFact::ChainSerials,
        _ => return None,
    };
    Some(Field::Certificate(side, whose, fact))
}
