//! TLS contexts: taken whole or not at all.

use ripstop_model::TlsClient;
use ripstop_model::tls::params::{CipherSuite, Curve, TlsVersion};
use ripstop_model::tls::validation::SanKind;
use ripstop_model::tls::{CertificateRef, CertificateSource, PeerCheck, PeerValidation, SecretSource};

use super::*;

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const CONTEXT: &str = "transport_socket.typed_config.common_tls_context";

fn tls_cluster(context: &str) -> Result<Decoded<Cluster>, Rejection> {
    cluster(&format!(
        "{EDS}transport_socket: {{ name: tls, typed_config: {{ \"@type\": {TLS}.UpstreamTlsContext, {context} }} }}"
    ))
}

fn client(context: &str) -> TlsClient {
    *tls_cluster(context).unwrap().value.transport.tls.unwrap()
}

fn path(end: &str) -> String {
    format!("{CONTEXT}{end}")
}

#[test]
fn the_meshs_own_identity_is_known_by_its_names() {
    let combined = |san: &str, source: &str| {
        tls_cluster(&format!(
            "common_tls_context: {{ combined_validation_context: {{ default_validation_context: {{ match_typed_subject_alt_names: [ {san} ] }}, \
             validation_context_sds_secret_config: {{ name: ROOTCA, sds_config: {{ {source} }} }} }} }}"
        ))
    };
    let sans = ".combined_validation_context.default_validation_context.match_typed_subject_alt_names[0]";
    let dns = "{ san_type: DNS, matcher: { exact: a } }";
    rejected(combined(dns, "ads: {}"), &path(&format!("{sans}.san_type")), "only URI");
    let prefix = "{ san_type: URI, matcher: { prefix: \"spiffe://a/\" } }";
    rejected(combined(prefix, "ads: {}"), &path(&format!("{sans}.matcher")), "only the exact SPIFFE ID");
    let exact = "{ san_type: URI, matcher: { exact: \"spiffe://a/ns/b/sa/c\" } }";
    let api =
        "api_config_source: { api_type: GRPC, grpc_services: [ { envoy_grpc: { cluster_name: sds } } ] }";
    for (source, warnings) in [("ads: {}", 0), (api, 1)] {
        let decoded = combined(exact, source).unwrap();
        assert_eq!(decoded.warnings.len(), warnings, "{:?}", decoded.warnings);
        let Some(PeerValidation::Mesh(PeerCheck { allowed })) = decoded.value.transport.tls.unwrap().peer
        else {
            panic!("not of the mesh")
        };
        assert_eq!(allowed[0].as_str(), "spiffe://a/ns/b/sa/c");
    }
    // From a file they are secrets like others.
    let file = combined(dns, "path_config_source: { path: /x }").unwrap();
    let Some(PeerValidation::Combined { secret, .. }) = file.value.transport.tls.unwrap().peer else {
        panic!("not from the file")
    };
    assert_eq!(secret.source, SecretSource::File { path: "/x".into(), watched_directory: None });
}

#[test]
fn a_server_that_is_not_verified_is_told() {
    let decoded = tls_cluster("sni: x").unwrap();
    warned(&decoded, &path(""), "trusted_ca");
    assert_eq!(decoded.value.transport.tls.unwrap().peer, None);
    let empty = tls_cluster("common_tls_context: { validation_context: {} }").unwrap();
    warned(&empty, &path(".validation_context"), "trusted_ca");
    let ca =
        tls_cluster("common_tls_context: { validation_context: { trusted_ca: { filename: /ca } } }").unwrap();
    assert_eq!(ca.warnings, []);
}

#[test]
fn what_weakens_when_left_out_is_refused() {
    let inline =
        |fields: &str| tls_cluster(&format!("common_tls_context: {{ validation_context: {{ {fields} }} }}"));
    let at = |field: &str| path(&format!(".validation_context{field}"));
    rejected(
        inline("match_typed_subject_alt_names: [ { san_type: DNS, matcher: { exact: a } } ]"),
        &at(""),
        "without trusted_ca",
    );
    let other = "trusted_ca: { filename: /ca }, match_typed_subject_alt_names: [ { san_type: OTHER_NAME, oid: 1.2, matcher: { exact: a } } ]";
    rejected(inline(other), &at(".match_typed_subject_alt_names[0].san_type"), "only EMAIL");
    rejected(inline("system_root_certs: {}"), &at(".system_root_certs"), "not supported");
    let custom = format!(
        "custom_validator_config: {{ name: x, typed_config: {{ \"@type\": {TLS}.SPIFFECertValidatorConfig, trust_domains: [ {{ name: a }} ] }} }}"
    );
    rejected(inline(&custom), &at(".custom_validator_config"), "not supported");
    rejected(
        inline(&format!("verify_certificate_hash: [ {} ]", "z".repeat(64))),
        &at(".verify_certificate_hash[0]"),
        "SHA-256",
    );
    let common = |fields: &str| tls_cluster(&format!("common_tls_context: {{ {fields} }}"));
    rejected(
        common("tls_params: { tls_minimum_protocol_version: TLSv1_1 }"),
        &path(".tls_params.tls_minimum_protocol_version"),
        "only TLSv1_2",
    );
    rejected(
        common("tls_params: { cipher_suites: [ 'ECDHE-RSA-AES128-GCM-SHA256', 'AES128-SHA' ] }"),
        &path(".tls_params.cipher_suites[1]"),
        "'AES128-SHA' is not supported (only ECDHE-",
    );
    rejected(common("tls_params: { ecdh_curves: [ P-521 ] }"), &path(".tls_params.ecdh_curves[0]"), "X25519");
    rejected(common("key_log: { path: /x }"), &path(".key_log"), "not supported");
    let certificate = |fields: &str| common(&format!("tls_certificates: [ {{ {fields} }} ]"));
    let pair = "certificate_chain: { filename: /c }, private_key: { filename: /k }";
    for field in ["password: { inline_string: x }", "pkcs12: { filename: /p }"] {
        let name = field.split(':').next().unwrap();
        let at = path(&format!(".tls_certificates[0].{name}"));
        rejected(certificate(&format!("{pair}, {field}")), &at, "not supported");
    }
    rejected(
        certificate("certificate_chain: { filename: /c }"),
        &path(".tls_certificates[0].private_key"),
        "needed",
    );
}

#[test]
fn a_context_of_files_is_read() {
    let tls = client(
        "sni: example.org, auto_host_sni: true, max_session_keys: 0, common_tls_context: { alpn_protocols: [ h2 ], \
         tls_params: { tls_minimum_protocol_version: TLSv1_3, cipher_suites: [ '[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]' ], ecdh_curves: [ P-256 ] }, \
         tls_certificates: [ { certificate_chain: { filename: /c }, private_key: { environment_variable: KEY } } ], \
         validation_context: { trusted_ca: { inline_string: pem }, match_subject_alt_names: [ { exact: a } ], allow_expired_certificate: true } }",
    );
    assert_eq!((&*tls.sni, tls.auto_host_sni, tls.max_session_keys), ("example.org", true, Some(0)));
    assert_eq!((tls.params.min_version, tls.params.curves), (Some(TlsVersion::V1_3), vec![Curve::P256]));
    let suites = [CipherSuite::EcdheEcdsaAes128GcmSha256, CipherSuite::EcdheEcdsaChacha20Poly1305];
    assert_eq!(tls.params.cipher_suites, suites);
    let Some(CertificateSource::Given(certificates)) = tls.certificate else { panic!("none given") };
    let [CertificateRef::Inline(certificate)] = certificates.as_slice() else { panic!("not in place") };
    assert_eq!(certificate.key.to_string(), "environment variable KEY");
    let Some(PeerValidation::Inline(validation)) = tls.peer else { panic!("not in place") };
    assert_eq!((validation.subject_alt_names[0].kind, validation.allow_expired), (None::<SanKind>, true));
}

#[test]
fn sockets_other_than_tls() {
    let socket =
        |typed: &str| cluster(&format!("{EDS}transport_socket: {{ name: s, typed_config: {{ {typed} }} }}"));
    let url =
        |name: &str| format!("\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.{name}");
    let raw = url("raw_buffer.v3.RawBuffer");
    assert_eq!(socket(&raw).unwrap().value.transport, Default::default());
    let alts = format!("{}, handshaker_service: x", url("alts.v3.Alts"));
    rejected(socket(&alts), "transport_socket.typed_config", "alts.v3.Alts is not supported");
    let matched = cluster(&format!(
        "{EDS}transport_socket_matches: [ {{ name: m, match: {{ a: b }}, transport_socket: {{ name: s, typed_config: {{ {raw} }} }} }} ]"
    ));
    assert_eq!(matched.unwrap().value.transport_matches[0].labels.len(), 1);
}
