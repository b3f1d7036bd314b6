//! TLS contexts → wire. The workload's own certificate and bundle are named by their SDS secret, never sent.

use ripstop_model::matcher::{StringMatch, StringPattern};
use ripstop_model::tls::params::TlsVersion;
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_model::tls::{
    CertificateRef, CertificateSource, CertificateValidation, DataSource, PeerCheck, PeerValidation,
    ProxyVersion, Secret, SecretKind, SecretRef, SecretSource, ServerResumption, TlsCertificate, TlsParams,
    TransportSocket,
};
use ripstop_model::{Name, TlsClient, TlsServer};

use super::common::{ads, any, bool_value, duration, own_stream, u32_value};
use super::matcher;
use crate::binder::base64;
use crate::pb;

/// Envoy's name of the TLS transport socket.
const TLS_SOCKET: &str = "envoy.transport_sockets.tls";
/// Envoy's name of the socket that begins with a PROXY header.
const PROXY_SOCKET: &str = "envoy.transport_sockets.upstream_proxy_protocol";
/// Envoy's name of the socket that is none.
const RAW_SOCKET: &str = "envoy.transport_sockets.raw_buffer";

pub(super) fn downstream_socket(tls: &TlsServer) -> pb::TransportSocket {
    let certificates = Some(&tls.certificates);
    let context = pb::DownstreamTlsContext {
        common_tls_context: Some(common_context(certificates, tls.peer.as_ref(), &tls.params, &tls.alpn)),
        require_client_certificate: Some(bool_value(tls.require_client_certificate)),
        require_sni: tls.require_sni.then(|| bool_value(true)),
        full_scan_certs_on_sni_mismatch: tls.full_scan_on_sni_mismatch.then(|| bool_value(true)),
        prefer_client_ciphers: tls.prefer_client_ciphers,
        ..resumption(tls.resumption)
    };
    socket(TLS_SOCKET, any(&context))
}

fn resumption(resumption: ServerResumption) -> pb::DownstreamTlsContext {
    use pb::downstream_tls_context::SessionTicketKeysType;
    let no_tickets = SessionTicketKeysType::DisableStatelessSessionResumption(true);
    pb::DownstreamTlsContext {
        disable_stateful_session_resumption: !resumption.stateful,
        session_timeout: resumption.timeout.map(duration),
        session_ticket_keys_type: (!resumption.stateless).then_some(no_tickets),
        ..Default::default()
    }
}

/// `None` where nothing lies between TCP and the protocol.
pub(super) fn upstream_socket(socket: &TransportSocket) -> Option<pb::TransportSocket> {
    (*socket != TransportSocket::default()).then(|| any_upstream_socket(socket))
}

/// The same, saying so where nothing does.
pub(super) fn any_upstream_socket(of: &TransportSocket) -> pb::TransportSocket {
    let inner = match &of.tls {
        Some(tls) => upstream_tls(tls),
        None => socket(RAW_SOCKET, any(&pb::RawBuffer {})),
    };
    let version = match of.proxy_protocol {
        None => return inner,
        Some(ProxyVersion::V1) => pb::ProxyProtocolVersion::V1,
        Some(ProxyVersion::V2) => pb::ProxyProtocolVersion::V2,
    };
    let transport = pb::ProxyProtocolUpstreamTransport {
        config: Some(pb::ProxyProtocolConfig { version: version.into(), ..Default::default() }),
        transport_socket: Some(inner),
        ..Default::default()
    };
    socket(PROXY_SOCKET, any(&transport))
}

fn upstream_tls(tls: &TlsClient) -> pb::TransportSocket {
    let certificate = tls.certificate.as_ref();
    let context = pb::UpstreamTlsContext {
        common_tls_context: Some(common_context(certificate, tls.peer.as_ref(), &tls.params, &tls.alpn)),
        sni: tls.sni.to_string(),
        auto_host_sni: tls.auto_host_sni,
        auto_sni_san_validation: tls.auto_sni_san_validation,
        max_session_keys: tls.max_session_keys.map(u32_value),
        ..Default::default()
    };
    socket(TLS_SOCKET, any(&context))
}

fn socket(name: &str, config: pb::Any) -> pb::TransportSocket {
    pb::TransportSocket {
        name: name.to_owned(),
        config_type: Some(pb::transport_socket::ConfigType::TypedConfig(config)),
    }
}

fn common_context(
    certificates: Option<&CertificateSource>,
    peer: Option<&PeerValidation>,
    params: &TlsParams,
    alpn: &[Name],
) -> pb::CommonTlsContext {
    let mut inline = Vec::new();
    let mut named = Vec::new();
    match certificates {
        None => {}
        Some(CertificateSource::WorkloadIdentity) => named.push(workload(CertificateSource::WORKLOAD_SECRET)),
        Some(CertificateSource::Given(given)) => {
            for certificate in given {
                match certificate {
                    CertificateRef::Inline(certificate) => inline.push(tls_certificate(certificate)),
                    CertificateRef::Secret(reference) => named.push(secret(reference)),
                }
            }
        }
    }
    pb::CommonTlsContext {
        tls_params: tls_params(params),
        tls_certificates: inline,
        tls_certificate_sds_secret_configs: named,
        validation_context_type: peer.map(validation),
        alpn_protocols: alpn.iter().map(|protocol| protocol.to_string()).collect(),
        ..Default::default()
    }
}

fn tls_certificate(certificate: &TlsCertificate) -> pb::TlsCertificate {
    pb::TlsCertificate {
        certificate_chain: Some(data_source(&certificate.chain)),
        private_key: Some(data_source(&certificate.key)),
        watched_directory: certificate.watched_directory.as_ref().map(watched),
        tls_params: certificate.params.as_ref().map(all_params),
        ..Default::default()
    }
}

fn watched(path: &Name) -> pb::WatchedDirectory {
    pb::WatchedDirectory { path: path.to_string(), ..Default::default() }
}

fn data_source(source: &DataSource) -> pb::DataSource {
    use pb::data_source::Specifier;
    let specifier = match source {
        DataSource::File(path) => Specifier::Filename(path.to_string()),
        DataSource::Inline(bytes) => Specifier::InlineBytes(bytes.to_vec()),
        DataSource::Environment(name) => Specifier::EnvironmentVariable(name.to_string()),
    };
    pb::DataSource { specifier: Some(specifier), ..Default::default() }
}

/// `None` where everything is as it is without.
fn tls_params(params: &TlsParams) -> Option<pb::TlsParameters> {
    (*params != TlsParams::default()).then(|| all_params(params))
}

fn all_params(params: &TlsParams) -> pb::TlsParameters {
    let version = |version: Option<TlsVersion>| match version {
        None => 0,
        Some(TlsVersion::V1_2) => 3,
        Some(TlsVersion::V1_3) => 4,
    };
    pb::TlsParameters {
        tls_minimum_protocol_version: version(params.min_version),
        tls_maximum_protocol_version: version(params.max_version),
        cipher_suites: params.cipher_suites.iter().map(ToString::to_string).collect(),
        ecdh_curves: params.curves.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

fn validation(peer: &PeerValidation) -> pb::common_tls_context::ValidationContextType {
    use pb::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
    let combined = |default, secret| {
        ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
            default_validation_context: Some(default),
            validation_context_sds_secret_config: Some(secret),
            ..Default::default()
        })
    };
    match peer {
        PeerValidation::Mesh(PeerCheck { allowed }) => {
            let bundle = workload(CertificateSource::TRUST_BUNDLE_SECRET);
            if allowed.is_empty() {
                return ValidationContextType::ValidationContextSdsSecretConfig(bundle);
            }
            let uri = |id: &ripstop_model::SpiffeId| SanMatch {
                kind: Some(SanKind::Uri),
                matcher: StringMatch {
                    pattern: StringPattern::Exact(id.as_str().into()),
                    ignore_case: false,
                },
            };
            let names = CertificateValidation {
                subject_alt_names: allowed.iter().map(uri).collect(),
                ..CertificateValidation::default()
            };
            combined(context(&names), bundle)
        }
        PeerValidation::Inline(inline) => ValidationContextType::ValidationContext(context(inline)),
        PeerValidation::Secret(reference) => {
            ValidationContextType::ValidationContextSdsSecretConfig(secret(reference))
        }
        PeerValidation::Combined { default, secret: reference } => {
            combined(context(default), secret(reference))
        }
    }
}

#[allow(deprecated, reason = "names of any kind have no other place")]
fn context(of: &CertificateValidation) -> pb::CertificateValidationContext {
    let typed = |san: &SanMatch| {
        let kind = match san.kind? {
            SanKind::Email => 1,
            SanKind::Dns => 2,
            SanKind::Uri => 3,
            SanKind::Ip => 4,
        };
        Some(pb::SubjectAltNameMatcher {
            san_type: kind,
            matcher: Some(matcher::string(&san.matcher)),
            ..Default::default()
        })
    };
    let untyped = of.subject_alt_names.iter().filter(|san| san.kind.is_none());
    pb::CertificateValidationContext {
        trusted_ca: of.trusted_ca.as_ref().map(data_source),
        watched_directory: of.watched_directory.as_ref().map(watched),
        crl: of.crl.as_ref().map(data_source),
        only_verify_leaf_cert_crl: of.only_verify_leaf_crl,
        verify_certificate_spki: of.spki_hashes.iter().map(|hash| base64::encode(hash)).collect(),
        verify_certificate_hash: of.certificate_hashes.iter().map(hex).collect(),
        match_typed_subject_alt_names: of.subject_alt_names.iter().filter_map(typed).collect(),
        match_subject_alt_names: untyped.map(|san| matcher::string(&san.matcher)).collect(),
        allow_expired_certificate: of.allow_expired,
        trust_chain_verification: i32::from(of.accept_untrusted),
        max_verify_depth: of.max_verify_depth.map(u32_value),
        suppress_client_ca_list: of.suppress_client_ca_list,
        ..Default::default()
    }
}

fn hex(hash: &[u8; 32]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn workload(name: &str) -> pb::SdsSecretConfig {
    pb::SdsSecretConfig { name: name.to_owned(), sds_config: Some(ads()) }
}

/// A secret itself, not its name.
pub(super) fn secret_resource(secret: &Secret) -> pb::Secret {
    use pb::secret::Type;
    let kind = match &secret.kind {
        SecretKind::Certificate(certificate) => Type::TlsCertificate(tls_certificate(certificate)),
        SecretKind::Validation(validation) => Type::ValidationContext(context(validation)),
    };
    pb::Secret { name: secret.name.to_string(), r#type: Some(kind) }
}

fn secret(reference: &SecretRef) -> pb::SdsSecretConfig {
    use pb::config_source::ConfigSourceSpecifier;
    let sds_config = match &reference.source {
        SecretSource::Static => None,
        SecretSource::Ads => Some(ads()),
        SecretSource::Server { cluster } => Some(own_stream(cluster)),
        SecretSource::File { path, watched_directory } => Some(pb::ConfigSource {
            resource_api_version: pb::ApiVersion::V3.into(),
            config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(pb::PathConfigSource {
                path: path.to_string(),
                watched_directory: watched_directory.as_ref().map(watched),
                ..Default::default()
            })),
            ..Default::default()
        }),
    };
    pb::SdsSecretConfig { name: reference.name.to_string(), sds_config }
}
