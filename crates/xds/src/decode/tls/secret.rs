//! Secrets and the names they are known by ← wire.

use ripstop_model::tls::{Secret, SecretKind, SecretRef, SecretSource};

use super::super::WorkloadSecrets;
use super::super::common::Context;
use super::{certificate, validation};
use crate::pb;

/// Whether this is the workload's own certificate or trust bundle, which the proxy holds and renews itself: known by its
/// name, unless a file or the proxy's own secrets are said to have it.
#[allow(deprecated, reason = "files older than path_config_source say path")]
pub(super) fn is_workload(cx: &Context, wire: &pb::SdsSecretConfig, name: &str) -> bool {
    use pb::config_source::ConfigSourceSpecifier;
    let source = wire.sds_config.as_ref().and_then(|source| source.config_source_specifier.as_ref());
    let elsewhere = matches!(
        source,
        None | Some(ConfigSourceSpecifier::Path(_) | ConfigSourceSpecifier::PathConfigSource(_))
    );
    wire.name == name && !elsewhere && cx.workload == WorkloadSecrets::Own
}

/// Says so where another source than the control plane is named.
pub(super) fn note_workload(cx: &mut Context, wire: &pb::SdsSecretConfig) {
    use pb::config_source::ConfigSourceSpecifier;
    let source = wire.sds_config.as_ref().and_then(|source| source.config_source_specifier.as_ref());
    if matches!(source, Some(ConfigSourceSpecifier::ApiConfigSource(_))) {
        cx.at("sds_config", |cx| cx.warn("is not asked: the proxy renews its own identity"));
    }
}

pub(super) fn reference(cx: &mut Context, wire: &pb::SdsSecretConfig) -> Option<SecretRef> {
    if wire.name.is_empty() {
        return cx.at("name", |cx| cx.refuse("is needed"));
    }
    let source = match &wire.sds_config {
        None => Some(SecretSource::Static),
        Some(config) => cx.at("sds_config", |cx| secret_source(cx, config)),
    };
    Some(SecretRef { name: wire.name.as_str().into(), source: source? })
}

#[allow(deprecated, reason = "files older than path_config_source say path")]
fn secret_source(cx: &mut Context, wire: &pb::ConfigSource) -> Option<SecretSource> {
    use pb::config_source::ConfigSourceSpecifier;
    match &wire.config_source_specifier {
        Some(ConfigSourceSpecifier::Path(path)) => {
            Some(SecretSource::File { path: path.as_str().into(), watched_directory: None })
        }
        Some(ConfigSourceSpecifier::PathConfigSource(source)) => Some(SecretSource::File {
            path: source.path.as_str().into(),
            watched_directory: source.watched_directory.as_ref().map(|watched| watched.path.as_str().into()),
        }),
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_)) => Some(SecretSource::Ads),
        Some(ConfigSourceSpecifier::ApiConfigSource(wire)) => {
            cx.at("api_config_source", |cx| server(cx, wire))
        }
        None => cx.refuse("needs a source: `ads: {}`, `api_config_source` or `path_config_source`"),
    }
}

/// A stream of its own to a cluster.
fn server(cx: &mut Context, wire: &pb::ApiConfigSource) -> Option<SecretSource> {
    use pb::grpc_service::TargetSpecifier;
    if wire.api_type != i32::from(pb::api_config_source::ApiType::Grpc) {
        return cx.at("api_type", |cx| cx.refuse("has to be GRPC for secrets"));
    }
    let service = match wire.grpc_services.as_slice() {
        [service] => service.target_specifier.as_ref(),
        _ => return cx.at("grpc_services", |cx| cx.refuse("has to be one service")),
    };
    for (field, is_set) in [
        ("rate_limit_settings", wire.rate_limit_settings.is_some()),
        ("request_timeout", wire.request_timeout.is_some()),
        ("refresh_delay", wire.refresh_delay.is_some()),
        ("config_validators", !wire.config_validators.is_empty()),
    ] {
        if is_set {
            cx.at(field, |cx| cx.warn("is not supported and has no effect"));
        }
    }
    match service {
        Some(TargetSpecifier::EnvoyGrpc(envoy)) => {
            Some(SecretSource::Server { cluster: envoy.cluster_name.as_str().into() })
        }
        _ => cx.item("grpc_services", 0, |cx| cx.refuse("has to be envoy_grpc with the name of a cluster")),
    }
}

/// A secret of a file or of a response.
pub(in crate::decode) fn secret(cx: &mut Context, wire: &pb::Secret) -> Option<Secret> {
    use pb::secret::Type;
    let kind = match &wire.r#type {
        Some(Type::TlsCertificate(wire)) => cx
            .at("tls_certificate", |cx| certificate::certificate(cx, wire))
            .map(|c| SecretKind::Certificate(Box::new(c))),
        Some(Type::ValidationContext(wire)) => cx
            .at("validation_context", |cx| validation::context(cx, wire))
            .map(|c| SecretKind::Validation(Box::new(c))),
        Some(Type::SessionTicketKeys(_)) => {
            cx.at("session_ticket_keys", |cx| cx.refuse("keys for tickets are made by the proxy itself"))
        }
        Some(Type::GenericSecret(_)) => {
            cx.at("generic_secret", |cx| cx.refuse("nothing here uses generic secrets"))
        }
        None => cx.refuse("needs tls_certificate or validation_context"),
    };
    Some(Secret { name: wire.name.as_str().into(), kind: kind? })
}
