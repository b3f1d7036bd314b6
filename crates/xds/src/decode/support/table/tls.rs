//! TLS: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const TLS: &[Support] = &[
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        read: "common_tls_context require_client_certificate",
        harmless: "disable_stateful_session_resumption disable_stateless_session_resumption session_timeout \
            full_scan_certs_on_sni_mismatch prefer_client_ciphers",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        read: "common_tls_context sni",
        harmless: "max_session_keys allow_renegotiation",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        read: "tls_certificate_sds_secret_configs validation_context_sds_secret_config \
            combined_validation_context validation_context validation_context_certificate_provider \
            validation_context_certificate_provider_instance alpn_protocols",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
        read: "default_validation_context validation_context_sds_secret_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        read: "match_typed_subject_alt_names",
        harmless: "suppress_client_ca_list",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        read: "name sds_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        read: "san_type matcher",
        harmless: "",
    },
];
