//! TLS contexts ← wire. Whatever cannot be honoured is refused: a weaker check than was asked for is none.

use ripstop_model::tls::{CertificateSource, PeerCheck};
use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};

use super::common::{Context, is, is_true, type_name, unpack};
use crate::pb;

/// `None`: plaintext, or a problem was reported.
pub(super) fn downstream(cx: &mut Context, socket: &pb::TransportSocket) -> Option<TlsServer> {
    let any = typed_config(cx, socket)?;
    if is::<pb::RawBuffer>(any) {
        return None;
    }
    cx.at("typed_config", |cx| {
        if !is::<pb::DownstreamTlsContext>(any) {
            return cx.refuse(format!("transport socket {} is not supported", type_name(any)));
        }
        let wire: pb::DownstreamTlsContext = unpack(cx, any)?;
        let common = wire.common_tls_context.unwrap_or_default();
        let (certificate, peer) = cx.at("common_tls_context", |cx| (certificate(cx, &common), validation(cx, &common)));
        let peer = match (peer, is_true(wire.require_client_certificate.as_ref())) {
            (Ok(Some(peer)), true) => Some(peer),
            (Ok(None), false) => None,
            (Ok(Some(_)), false) => {
                return cx.at("require_client_certificate", |cx| {
                    cx.refuse("must be true where client certificates are validated: optional ones are not supported")
                });
            }
            (Ok(None), true) => {
                return cx.at("require_client_certificate", |cx| {
                    cx.refuse("needs a validation context, or any certificate would do")
                });
            }
            (Err(Reported), _) => return None,
        };
        match certificate.ok()? {
            Some(certificate) => Some(TlsServer { certificate, peer, alpn: alpn(&common) }),
            None => cx.at("common_tls_context", |cx| {
                cx.refuse("a listener needs tls_certificate_sds_secret_configs with the secret 'default'")
            }),
        }
    })
}

/// `None`: plaintext, or a problem was reported.
pub(super) fn upstream(cx: &mut Context, socket: &pb::TransportSocket) -> Option<TlsClient> {
    let any = typed_config(cx, socket)?;
    if is::<pb::RawBuffer>(any) {
        return None;
    }
    cx.at("typed_config", |cx| {
        if !is::<pb::UpstreamTlsContext>(any) {
            return cx.refuse(format!("transport socket {} is not supported", type_name(any)));
        }
        let wire: pb::UpstreamTlsContext = unpack(cx, any)?;
        let common = wire.common_tls_context.unwrap_or_default();
        let (certificate, peer) =
            cx.at("common_tls_context", |cx| (certificate(cx, &common), validation(cx, &common)));
        let (certificate, peer) = (certificate.ok()?, peer.ok()?);
        match peer {
            Some(peer) => {
                Some(TlsClient { certificate, peer, sni: wire.sni.as_str().into(), alpn: alpn(&common) })
            }
            None => cx.at("common_tls_context", |cx| {
                cx.refuse("needs a validation context, or any server would be trusted")
            }),
        }
    })
}

/// A problem has been reported.
struct Reported;

fn typed_config<'a>(cx: &mut Context, socket: &'a pb::TransportSocket) -> Option<&'a pb::Any> {
    match &socket.config_type {
        Some(pb::transport_socket::ConfigType::TypedConfig(any)) => Some(any),
        None => cx.refuse(format!("transport socket '{}' needs a typed_config", socket.name)),
    }
}

fn alpn(common: &pb::CommonTlsContext) -> Vec<Name> {
    common.alpn_protocols.iter().map(|protocol| Name::from(protocol.as_str())).collect()
}

fn certificate(
    cx: &mut Context,
    common: &pb::CommonTlsContext,
) -> Result<Option<CertificateSource>, Reported> {
    let secrets = &common.tls_certificate_sds_secret_configs;
    match secrets.as_slice() {
        [] => Ok(None),
        [secret] => cx.item("tls_certificate_sds_secret_configs", 0, |cx| {
            expect_secret(cx, secret, CertificateSource::WORKLOAD_SECRET)?;
            Ok(Some(CertificateSource::WorkloadIdentity))
        }),
        _ => {
            cx.at("tls_certificate_sds_secret_configs", |cx| cx.reject("only one certificate is supported"));
            Err(Reported)
        }
    }
}

fn validation(cx: &mut Context, common: &pb::CommonTlsContext) -> Result<Option<PeerCheck>, Reported> {
    use pb::common_tls_context::ValidationContextType;
    match &common.validation_context_type {
        None => Ok(None),
        Some(ValidationContextType::ValidationContextSdsSecretConfig(secret)) => {
            cx.at("validation_context_sds_secret_config", |cx| {
                expect_secret(cx, secret, CertificateSource::TRUST_BUNDLE_SECRET)?;
                Ok(Some(PeerCheck { allowed: Vec::new() }))
            })
        }
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            cx.at("combined_validation_context", |cx| {
                let secret = combined.validation_context_sds_secret_config.as_ref();
                let bundle = cx.at("validation_context_sds_secret_config", |cx| {
                    let missing = pb::SdsSecretConfig::default();
                    expect_secret(cx, secret.unwrap_or(&missing), CertificateSource::TRUST_BUNDLE_SECRET)
                });
                let expected = combined.default_validation_context.as_ref();
                let allowed = cx.at("default_validation_context", |cx| match expected {
                    Some(expected) => allowed_ids(cx, expected),
                    None => Ok(Vec::new()),
                });
                bundle?;
                Ok(Some(PeerCheck { allowed: allowed? }))
            })
        }
        Some(_) => {
            cx.reject(
                "peers are validated against the mesh's own trust bundle only: use the SDS secret 'ROOTCA'",
            );
            Err(Reported)
        }
    }
}

fn allowed_ids(cx: &mut Context, wire: &pb::CertificateValidationContext) -> Result<Vec<SpiffeId>, Reported> {
    let matchers = &wire.match_typed_subject_alt_names;
    let ids = cx.items("match_typed_subject_alt_names", matchers, |cx, san| {
        use pb::string_matcher::MatchPattern;
        if san.san_type != i32::from(pb::subject_alt_name_matcher::SanType::Uri) {
            return cx.at("san_type", |cx| cx.refuse("only URI is supported"));
        }
        let rule = san.matcher.as_ref().filter(|matcher| !matcher.ignore_case);
        match rule.and_then(|matcher| matcher.match_pattern.as_ref()) {
            Some(MatchPattern::Exact(id)) => match SpiffeId::new(id) {
                Ok(id) => Some(id),
                Err(error) => cx.at("matcher", |cx| cx.refuse(error.to_string())),
            },
            _ => cx.at("matcher", |cx| cx.refuse("only the exact SPIFFE ID is supported, case included")),
        }
    });
    // One that could not be read must not leave the list empty: that would let everybody in.
    if ids.len() == matchers.len() { Ok(ids) } else { Err(Reported) }
}

/// The proxy holds its identity and bundle itself; the names say which is meant, whatever the source.
fn expect_secret(cx: &mut Context, secret: &pb::SdsSecretConfig, name: &str) -> Result<(), Reported> {
    use pb::config_source::ConfigSourceSpecifier;
    if secret.name != name {
        cx.at("name", |cx| cx.reject(format!("'{}' is not known (only '{name}' is)", secret.name)));
        return Err(Reported);
    }
    let source = secret.sds_config.as_ref().and_then(|source| source.config_source_specifier.as_ref());
    if !matches!(source, None | Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_))) {
        cx.at("sds_config", |cx| cx.warn("is not asked: the proxy renews its own identity"));
    }
    Ok(())
}
