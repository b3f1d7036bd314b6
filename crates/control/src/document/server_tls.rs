//! Reads Istio's `ServerTLSSettings`.

use ripstop_model::Name;
use ripstop_model::tls::params::{CipherSuite, TlsParams, TlsVersion};
use ripstop_yaml::{Field, Reader, nearest};

use crate::document::base64;
use crate::document::client_tls::{certificate, names};
use crate::document::common::{dns_name, file_path};
use crate::resource::{CertificateFiles, ServerTls, ServerTlsMode};

const MODES: [(&str, Option<ServerTlsMode>); 6] = [
    ("PASSTHROUGH", Some(ServerTlsMode::Passthrough)),
    ("SIMPLE", Some(ServerTlsMode::Simple)),
    ("MUTUAL", Some(ServerTlsMode::Mutual)),
    ("OPTIONAL_MUTUAL", Some(ServerTlsMode::OptionalMutual)),
    ("ISTIO_MUTUAL", Some(ServerTlsMode::IstioMutual)),
    ("AUTO_PASSTHROUGH", None),
];

/// What `tls` of a server says.
pub(super) struct Read {
    /// Requests in plaintext are sent to `https`.
    pub(super) https_redirect: bool,
    /// `None`: it is in a mode that is not in force.
    pub(super) tls: Option<ServerTls>,
}

pub(super) fn decode(reader: Reader<'_>) -> Read {
    let https_redirect = reader.bool("httpsRedirect").unwrap_or(false);
    let mode = reader.one_of("mode", &MODES).unwrap_or(Some(ServerTlsMode::Passthrough));
    if mode.is_none() {
        reader.known_but_unsupported("mode", "AUTO_PASSTHROUGH joins clusters; the server is left out");
    }
    let mut certificates: Vec<CertificateFiles> =
        certificate(&reader, "serverCertificate", "privateKey").into_iter().collect();
    for one in reader.maps("tlsCertificates") {
        certificates.extend(certificate(&one, "serverCertificate", "privateKey"));
        one.finish();
    }
    let single = reader.field("credentialName");
    let several = reader.list("credentialNames");
    let credentials: Vec<Name> = single.iter().chain(&several).filter_map(dns_name).collect();
    let ca = reader.field("caCertificates").and_then(|field| file_path(&field));
    let crl = reader.field("caCrl").and_then(|field| file_path(&field));
    let ca_credential = reader.field("caCertCredentialName").and_then(|field| dns_name(&field));
    let tls = ServerTls {
        mode: mode.unwrap_or(ServerTlsMode::Passthrough),
        certificates,
        credentials,
        ca,
        ca_credential,
        crl,
        subject_alt_names: names(&reader, "subjectAltNames"),
        spki_hashes: reader.list("verifyCertificateSpki").iter().filter_map(spki_hash).collect(),
        certificate_hashes: reader.list("verifyCertificateHash").iter().filter_map(hex_hash).collect(),
        params: params(&reader),
    };
    check(&reader, &tls);
    reader.finish();
    Read { https_redirect, tls: mode.is_some().then_some(tls) }
}

fn check(reader: &Reader<'_>, tls: &ServerTls) {
    let shown = !tls.certificates.is_empty() || !tls.credentials.is_empty();
    let written = |key: &str| reader.has(key);
    match tls.mode {
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual if !shown => {
            let help = "write `credentialName`, or `serverCertificate` and `privateKey`";
            reader.error_with_help("mode", "whoever ends TLS needs a certificate", help);
        }
        ServerTlsMode::Mutual
            if tls.ca.is_none() && tls.ca_credential.is_none() && tls.credentials.is_empty() =>
        {
            let help = "write `caCertificates`, or `credentialName`";
            reader.error_with_help("mode", "MUTUAL needs roots to judge clients by", help);
        }
        ServerTlsMode::IstioMutual if shown => {
            let help = "remove certificates and `credentialName`";
            reader.error_with_help("mode", "ISTIO_MUTUAL shows the identity of the mesh", help);
        }
        ServerTlsMode::Passthrough if shown && written("mode") => {
            let help = "remove certificates and `credentialName`";
            reader.error_with_help("mode", "what passes through is not answered with a certificate", help);
        }
        _ => {}
    }
    if !tls.certificates.is_empty() && !tls.credentials.is_empty() {
        let help = "write files, or `credentialName`";
        reader.error_with_help("credentialName", "a credential cannot be beside files", help);
    }
}

fn params(reader: &Reader<'_>) -> TlsParams {
    let versions = [
        ("TLS_AUTO", None),
        ("TLSV1_0", Some(TlsVersion::V1_2)),
        ("TLSV1_1", Some(TlsVersion::V1_2)),
        ("TLSV1_2", Some(TlsVersion::V1_2)),
        ("TLSV1_3", Some(TlsVersion::V1_3)),
    ];
    let old = |key: &str| {
        let word = reader.node(key).and_then(|node| node.as_str());
        if matches!(word, Some("TLSV1_0" | "TLSV1_1")) {
            reader.known_but_unsupported(key, "TLS before 1.2 is not spoken");
        }
    };
    let (min_version, max_version) = (
        reader.one_of("minProtocolVersion", &versions).flatten(),
        reader.one_of("maxProtocolVersion", &versions).flatten(),
    );
    old("minProtocolVersion");
    old("maxProtocolVersion");
    if let (Some(min), Some(max)) = (min_version, max_version)
        && min > max
    {
        reader.error("maxProtocolVersion", "the newest version is older than the oldest");
    }
    let cipher_suites = reader.list("cipherSuites").iter().filter_map(cipher_suite).collect();
    TlsParams { min_version, max_version, cipher_suites, curves: Vec::new() }
}

fn cipher_suite(field: &Field<'_>) -> Option<CipherSuite> {
    let text = field.str()?;
    let suite = CipherSuite::from_name(&text);
    if suite.is_none() {
        let help = match nearest(&text, CipherSuite::ALL.iter().map(|suite| suite.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "see docs/istio-support.md for those that there are".to_owned(),
        };
        field.warn(format!("understood, but not in force: `{text}` is not spoken ({help})"));
    }
    suite
}

/// SHA-256 in base64.
fn spki_hash(field: &Field<'_>) -> Option<[u8; 32]> {
    let hash: Option<[u8; 32]> = base64::field(field)?.try_into().ok();
    if hash.is_none() {
        field.error("a SHA-256 has 32 bytes");
    }
    hash
}

/// SHA-256 in hexadecimal digits, with or without colons.
fn hex_hash(field: &Field<'_>) -> Option<[u8; 32]> {
    let text: String = field.str()?.chars().filter(|c| *c != ':').collect();
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    let hash = bytes.and_then(|bytes| bytes.try_into().ok());
    if hash.is_none() {
        field.error("a SHA-256 is written with 64 hexadecimal digits");
    }
    hash
}
