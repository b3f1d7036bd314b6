//! TLS contexts → wire. Certificates and bundles are named by their SDS secret, never sent.

use ripstop_model::tls::{CertificateSource, PeerCheck};
use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};

use super::common::{ads, any, bool_value};
use crate::pb;

/// Envoy's name of the TLS transport socket.
const TLS_SOCKET: &str = "envoy.transport_sockets.tls";

pub(super) fn downstream_socket(tls: &TlsServer) -> pb::TransportSocket {
    let context = pb::DownstreamTlsContext {
        common_tls_context: Some(common_context(Some(&tls.certificate), tls.peer.as_ref(), &tls.alpn)),
        require_client_certificate: Some(bool_value(tls.peer.is_some())),
        ..Default::default()
    };
    socket(any(&context))
}

pub(super) fn upstream_socket(tls: &TlsClient) -> pb::TransportSocket {
    let context = pb::UpstreamTlsContext {
        common_tls_context: Some(common_context(tls.certificate.as_ref(), Some(&tls.peer), &tls.alpn)),
        sni: tls.sni.to_string(),
        ..Default::default()
    };
    socket(any(&context))
}

fn socket(config: pb::Any) -> pb::TransportSocket {
    pb::TransportSocket {
        name: TLS_SOCKET.to_owned(),
        config_type: Some(pb::transport_socket::ConfigType::TypedConfig(config)),
    }
}

fn common_context(
    certificate: Option<&CertificateSource>,
    peer: Option<&PeerCheck>,
    alpn: &[Name],
) -> pb::CommonTlsContext {
    let certificates = certificate.map(|source| match source {
        CertificateSource::WorkloadIdentity => secret(CertificateSource::WORKLOAD_SECRET),
    });
    pb::CommonTlsContext {
        tls_certificate_sds_secret_configs: certificates.into_iter().collect(),
        validation_context_type: peer.map(validation),
        alpn_protocols: alpn.iter().map(|protocol| protocol.to_string()).collect(),
        ..Default::default()
    }
}

fn validation(peer: &PeerCheck) -> pb::common_tls_context::ValidationContextType {
    use pb::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
    let bundle = secret(CertificateSource::TRUST_BUNDLE_SECRET);
    if peer.allowed.is_empty() {
        return ValidationContextType::ValidationContextSdsSecretConfig(bundle);
    }
    let expected = pb::CertificateValidationContext {
        match_typed_subject_alt_names: peer.allowed.iter().map(uri_san).collect(),
        ..Default::default()
    };
    ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
        default_validation_context: Some(expected),
        validation_context_sds_secret_config: Some(bundle),
        ..Default::default()
    })
}

fn uri_san(id: &SpiffeId) -> pb::SubjectAltNameMatcher {
    pb::SubjectAltNameMatcher {
        san_type: pb::subject_alt_name_matcher::SanType::Uri.into(),
        matcher: Some(pb::StringMatcher {
            match_pattern: Some(pb::string_matcher::MatchPattern::Exact(id.to_string())),
            ignore_case: false,
        }),
        ..Default::default()
    }
}

fn secret(name: &str) -> pb::SdsSecretConfig {
    pb::SdsSecretConfig { name: name.to_owned(), sds_config: Some(ads()) }
}
