//! TLS: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const TLS: &[Support] = &[
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        read: "common_tls_context require_client_certificate require_sni session_ticket_keys \
            session_ticket_keys_sds_secret_config disable_stateless_session_resumption \
            disable_stateful_session_resumption session_timeout ocsp_staple_policy \
            full_scan_certs_on_sni_mismatch prefer_client_ciphers",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        read: "common_tls_context sni auto_host_sni auto_sni_san_validation max_session_keys",
        harmless: "allow_renegotiation enforce_rsa_key_usage",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        read: "tls_params tls_certificates tls_certificate_sds_secret_configs validation_context \
            validation_context_sds_secret_config combined_validation_context \
            validation_context_certificate_provider validation_context_certificate_provider_instance \
            alpn_protocols",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
        read: "default_validation_context validation_context_sds_secret_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        read: "trusted_ca watched_directory verify_certificate_spki verify_certificate_hash \
            match_typed_subject_alt_names match_subject_alt_names crl allow_expired_certificate \
            trust_chain_verification only_verify_leaf_cert_crl max_verify_depth suppress_client_ca_list",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
        read: "certificate_chain private_key watched_directory tls_params",
        harmless: "ocsp_staple signed_certificate_timestamp",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.TlsParameters",
        read: "tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves",
        harmless: "signature_algorithms",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        read: "name sds_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        read: "san_type matcher",
        harmless: "oid",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.Secret",
        read: "name tls_certificate session_ticket_keys validation_context generic_secret",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        read: "config transport_socket",
        harmless: "allow_unspecified_address tlv_as_pool_key",
    },
    Support {
        message: "envoy.config.core.v3.ProxyProtocolConfig",
        read: "version",
        harmless: "pass_through_tlvs added_tlvs",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.TransportSocketMatch",
        read: "name match transport_socket",
        harmless: "",
    },
];
