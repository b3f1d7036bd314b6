//! What a connection manager does to requests before they are routed → wire.

use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::client_cert::{ClientCertDetails, ForwardClientCert};
use ripstop_model::http_manager::origin::{InternalAddresses, RequestIds, SchemeRules};
use ripstop_model::http_manager::paths::{EscapedSlashes, StripPort, Underscores};
use ripstop_model::http_manager::server::ServerTransformation;

use super::super::common::{any, bool_value, cidr_range, duration, u32_value};
use crate::pb;
use crate::pb::http_connection_manager as wire;

/// What is said of HTTP of any version.
pub(super) fn common(manager: &HttpConnectionManager) -> pb::HttpProtocolOptions {
    let times = &manager.times;
    pb::HttpProtocolOptions {
        idle_timeout: manager.idle_timeout.map(duration),
        max_headers_count: manager.max_headers_count.map(u32_value),
        headers_with_underscores_action: underscores(manager.underscores).into(),
        max_stream_duration: times.max_stream_duration.map(duration),
        max_connection_duration: times.max_connection_duration.map(duration),
        max_requests_per_connection: times.max_requests_per_connection.map(|most| u32_value(most.get())),
        ..Default::default()
    }
}

/// Sets the fields about paths, hosts, addresses and ids.
pub(super) fn fill(manager: &HttpConnectionManager, into: &mut pb::HttpConnectionManager) {
    let (paths, hosts, origin) = (&manager.paths, &manager.hosts, &manager.origin);
    into.request_timeout = manager.times.request_timeout.map(duration);
    into.drain_timeout = manager.times.drain_timeout.map(duration);
    into.http1_safe_max_connection_duration = manager.times.http1_safe_max_connection_duration;
    into.server_name = manager.server.name.as_ref().map(ToString::to_string).unwrap_or_default();
    into.server_header_transformation = server(manager.server.transformation).into();
    into.normalize_path = paths.normalize.map(bool_value);
    into.merge_slashes = paths.merge_slashes;
    into.path_with_escaped_slashes_action = escaped_slashes(paths.escaped_slashes).into();
    into.strip_matching_host_port = hosts.strip_port == StripPort::Matching;
    into.strip_port_mode =
        (hosts.strip_port == StripPort::Any).then_some(wire::StripPortMode::StripAnyHostPort(true));
    into.strip_trailing_host_dot = hosts.strip_trailing_dot;
    into.xff_num_trusted_hops = origin.xff_num_trusted_hops;
    into.skip_xff_append = origin.skip_xff_append;
    into.append_x_forwarded_port = origin.append_x_forwarded_port;
    into.internal_address_config = internal(&origin.internal);
    into.scheme_header_transformation = scheme(origin.scheme);
    into.via = origin.via.as_ref().map(ToString::to_string).unwrap_or_default();
    into.preserve_external_request_id = manager.request_ids.preserve_external;
    into.always_set_request_id_in_response = manager.request_ids.always_in_response;
    into.request_id_extension = request_id_extension(manager.request_ids);
    into.forward_client_cert_details = forward_client_cert(manager.forward_client_cert).into();
    into.set_current_client_cert_details = client_cert_details(manager.client_cert_details);
}

fn server(transformation: ServerTransformation) -> wire::ServerHeaderTransformation {
    match transformation {
        ServerTransformation::Overwrite => wire::ServerHeaderTransformation::Overwrite,
        ServerTransformation::AppendIfAbsent => wire::ServerHeaderTransformation::AppendIfAbsent,
        ServerTransformation::PassThrough => wire::ServerHeaderTransformation::PassThrough,
    }
}

fn escaped_slashes(action: EscapedSlashes) -> wire::PathWithEscapedSlashesAction {
    use wire::PathWithEscapedSlashesAction as Wire;
    match action {
        EscapedSlashes::Default => Wire::ImplementationSpecificDefault,
        EscapedSlashes::Keep => Wire::KeepUnchanged,
        EscapedSlashes::Reject => Wire::RejectRequest,
        EscapedSlashes::Redirect => Wire::UnescapeAndRedirect,
        EscapedSlashes::Forward => Wire::UnescapeAndForward,
    }
}

fn underscores(action: Underscores) -> pb::http_protocol_options::HeadersWithUnderscoresAction {
    use pb::http_protocol_options::HeadersWithUnderscoresAction as Wire;
    match action {
        Underscores::Allow => Wire::Allow,
        Underscores::Reject => Wire::RejectRequest,
        Underscores::Drop => Wire::DropHeader,
    }
}

fn internal(internal: &InternalAddresses) -> Option<wire::InternalAddressConfig> {
    (*internal != InternalAddresses::default()).then(|| wire::InternalAddressConfig {
        unix_sockets: internal.unix_sockets,
        cidr_ranges: internal.ranges.iter().map(cidr_range).collect(),
    })
}

fn scheme(scheme: SchemeRules) -> Option<pb::SchemeHeaderTransformation> {
    use pb::scheme_header_transformation::Transformation::SchemeToOverwrite;
    (scheme != SchemeRules::default()).then(|| pb::SchemeHeaderTransformation {
        transformation: scheme.overwrite.map(|scheme| SchemeToOverwrite(scheme.as_str().to_owned())),
        match_upstream: scheme.match_upstream,
    })
}

fn request_id_extension(ids: RequestIds) -> Option<pb::RequestIdExtension> {
    (!ids.pack_trace_reason).then(|| {
        let uuid =
            pb::UuidRequestIdConfig { pack_trace_reason: Some(bool_value(false)), ..Default::default() };
        pb::RequestIdExtension { typed_config: Some(any(&uuid)) }
    })
}

fn forward_client_cert(mode: ForwardClientCert) -> wire::ForwardClientCertDetails {
    match mode {
        ForwardClientCert::Sanitize => wire::ForwardClientCertDetails::Sanitize,
        ForwardClientCert::ForwardOnly => wire::ForwardClientCertDetails::ForwardOnly,
        ForwardClientCert::AppendForward => wire::ForwardClientCertDetails::AppendForward,
        ForwardClientCert::SanitizeSet => wire::ForwardClientCertDetails::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly => wire::ForwardClientCertDetails::AlwaysForwardOnly,
    }
}

fn client_cert_details(details: ClientCertDetails) -> Option<wire::SetCurrentClientCertDetails> {
    (details != ClientCertDetails::default()).then(|| wire::SetCurrentClientCertDetails {
        subject: details.subject.then(|| bool_value(true)),
        cert: details.cert,
        chain: details.chain,
        dns: details.dns,
        uri: details.uri,
        ..Default::default()
    })
}
