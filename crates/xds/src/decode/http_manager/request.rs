//! What a connection manager does to requests before they are routed ← wire.

use std::num::NonZeroU32;

use ripstop_model::http_manager::client_cert::{ClientCertDetails, ForwardClientCert};
use ripstop_model::http_manager::origin::{HttpScheme, InternalAddresses, Origin, RequestIds, SchemeRules};
use ripstop_model::http_manager::paths::{EscapedSlashes, HostRules, PathRules, StripPort, Underscores};
use ripstop_model::http_manager::server::{ServerHeader, ServerTransformation};
use ripstop_model::http_manager::times::Times;

use super::super::common::{Context, cidr_range, duration, is, is_true, type_name, unpack};
use crate::pb;
use crate::pb::http_connection_manager as wire_manager;

pub(super) fn times(cx: &mut Context, wire: &pb::HttpConnectionManager) -> Times {
    let mut times = Times {
        request_timeout: duration(cx, "request_timeout", wire.request_timeout.as_ref()),
        drain_timeout: duration(cx, "drain_timeout", wire.drain_timeout.as_ref()),
        http1_safe_max_connection_duration: wire.http1_safe_max_connection_duration,
        ..Times::default()
    };
    let Some(common) = &wire.common_http_protocol_options else { return times };
    cx.at("common_http_protocol_options", |cx| {
        let (stream, connection) = (&common.max_stream_duration, &common.max_connection_duration);
        times.max_stream_duration = duration(cx, "max_stream_duration", stream.as_ref());
        times.max_connection_duration = duration(cx, "max_connection_duration", connection.as_ref());
    });
    let requests = common.max_requests_per_connection.as_ref();
    times.max_requests_per_connection = requests.and_then(|requests| NonZeroU32::new(requests.value));
    times
}

pub(super) fn server(cx: &mut Context, wire: &pb::HttpConnectionManager) -> ServerHeader {
    use wire_manager::ServerHeaderTransformation as Wire;
    let transformation = match Wire::try_from(wire.server_header_transformation) {
        Ok(Wire::Overwrite) => ServerTransformation::Overwrite,
        Ok(Wire::AppendIfAbsent) => ServerTransformation::AppendIfAbsent,
        Ok(Wire::PassThrough) => ServerTransformation::PassThrough,
        Err(_) => {
            cx.at("server_header_transformation", |cx| cx.reject("is not known"));
            ServerTransformation::Overwrite
        }
    };
    let name = Some(wire.server_name.as_str()).filter(|name| !name.is_empty());
    ServerHeader { name: name.map(Into::into), transformation }
}

pub(super) fn paths(cx: &mut Context, wire: &pb::HttpConnectionManager) -> PathRules {
    use wire_manager::PathWithEscapedSlashesAction as Wire;
    let escaped_slashes = match Wire::try_from(wire.path_with_escaped_slashes_action) {
        Ok(Wire::ImplementationSpecificDefault) => EscapedSlashes::Default,
        Ok(Wire::KeepUnchanged) => EscapedSlashes::Keep,
        Ok(Wire::RejectRequest) => EscapedSlashes::Reject,
        Ok(Wire::UnescapeAndRedirect) => EscapedSlashes::Redirect,
        Ok(Wire::UnescapeAndForward) => EscapedSlashes::Forward,
        Err(_) => {
            cx.at("path_with_escaped_slashes_action", |cx| cx.reject("is not known"));
            EscapedSlashes::Default
        }
    };
    let normalize = wire.normalize_path.as_ref().map(|normalize| normalize.value);
    PathRules { normalize, merge_slashes: wire.merge_slashes, escaped_slashes }
}

pub(super) fn hosts(cx: &mut Context, wire: &pb::HttpConnectionManager) -> HostRules {
    let any = matches!(wire.strip_port_mode, Some(wire_manager::StripPortMode::StripAnyHostPort(true)));
    let strip_port = match (wire.strip_matching_host_port, any) {
        (false, false) => StripPort::Keep,
        (true, false) => StripPort::Matching,
        (false, true) => StripPort::Any,
        (true, true) => {
            cx.reject("only one of strip_matching_host_port and strip_any_host_port may be set");
            StripPort::Any
        }
    };
    HostRules { strip_port, strip_trailing_dot: wire.strip_trailing_host_dot }
}

pub(super) fn underscores(cx: &mut Context, wire: Option<&pb::HttpProtocolOptions>) -> Underscores {
    use pb::http_protocol_options::HeadersWithUnderscoresAction as Wire;
    match Wire::try_from(wire.map_or(0, |wire| wire.headers_with_underscores_action)) {
        Ok(Wire::Allow) => Underscores::Allow,
        Ok(Wire::RejectRequest) => Underscores::Reject,
        Ok(Wire::DropHeader) => Underscores::Drop,
        Err(_) => {
            cx.at("headers_with_underscores_action", |cx| cx.reject("is not known"));
            Underscores::Reject
        }
    }
}

pub(super) fn origin(cx: &mut Context, wire: &pb::HttpConnectionManager) -> Origin {
    let internal = match &wire.internal_address_config {
        Some(internal) => cx.at("internal_address_config", |cx| InternalAddresses {
            unix_sockets: internal.unix_sockets,
            ranges: cx.items("cidr_ranges", &internal.cidr_ranges, cidr_range),
        }),
        None => InternalAddresses::default(),
    };
    let scheme = cx.at("scheme_header_transformation", |cx| {
        wire.scheme_header_transformation.as_ref().map(|wire| scheme(cx, wire)).unwrap_or_default()
    });
    Origin {
        xff_num_trusted_hops: wire.xff_num_trusted_hops,
        skip_xff_append: wire.skip_xff_append,
        append_x_forwarded_port: wire.append_x_forwarded_port,
        internal,
        scheme,
        via: Some(wire.via.as_str()).filter(|via| !via.is_empty()).map(Into::into),
    }
}

fn scheme(cx: &mut Context, wire: &pb::SchemeHeaderTransformation) -> SchemeRules {
    use pb::scheme_header_transformation::Transformation::SchemeToOverwrite;
    let overwrite = match &wire.transformation {
        Some(SchemeToOverwrite(scheme)) => match scheme.as_str() {
            "http" => Some(HttpScheme::Http),
            "https" => Some(HttpScheme::Https),
            _ => cx.at("scheme_to_overwrite", |cx| cx.refuse("must be http or https")),
        },
        None => None,
    };
    SchemeRules { overwrite, match_upstream: wire.match_upstream }
}

pub(super) fn request_ids(cx: &mut Context, wire: &pb::HttpConnectionManager) -> RequestIds {
    let mut ids = RequestIds {
        preserve_external: wire.preserve_external_request_id,
        always_in_response: wire.always_set_request_id_in_response,
        ..RequestIds::default()
    };
    let extension = wire.request_id_extension.as_ref().and_then(|wire| wire.typed_config.as_ref());
    let Some(extension) = extension else { return ids };
    cx.at("request_id_extension", |cx| {
        cx.at("typed_config", |cx| {
            if !is::<pb::UuidRequestIdConfig>(extension) {
                return cx.reject(format!("request ids of {} are not supported", type_name(extension)));
            }
            let Some(uuid) = unpack::<pb::UuidRequestIdConfig>(cx, extension) else { return };
            ids.pack_trace_reason = uuid.pack_trace_reason.as_ref().is_none_or(|pack| pack.value);
        });
    });
    ids
}

pub(super) fn forward_client_cert(cx: &mut Context, mode: i32) -> Option<ForwardClientCert> {
    use wire_manager::ForwardClientCertDetails as Wire;
    match Wire::try_from(mode) {
        Ok(Wire::Sanitize) => Some(ForwardClientCert::Sanitize),
        Ok(Wire::ForwardOnly) => Some(ForwardClientCert::ForwardOnly),
        Ok(Wire::AppendForward) => Some(ForwardClientCert::AppendForward),
        Ok(Wire::SanitizeSet) => Some(ForwardClientCert::SanitizeSet),
        Ok(Wire::AlwaysForwardOnly) => Some(ForwardClientCert::AlwaysForwardOnly),
        Err(_) => cx.at("forward_client_cert_details", |cx| cx.refuse(format!("{mode} is not known"))),
    }
}

pub(super) fn client_cert_details(
    wire: Option<&wire_manager::SetCurrentClientCertDetails>,
) -> ClientCertDetails {
    let Some(wire) = wire else { return ClientCertDetails::default() };
    ClientCertDetails {
        subject: is_true(wire.subject.as_ref()),
        cert: wire.cert,
        chain: wire.chain,
        dns: wire.dns,
        uri: wire.uri,
    }
}
