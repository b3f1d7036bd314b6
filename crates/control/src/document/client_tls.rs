//! Reads Istio's `ClientTLSSettings`.

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, dns_name, file_path, host};
use crate::resource::{CertificateFiles, ClientTls, ClientTlsMode};

const MODES: [(&str, ClientTlsMode); 4] = [
    ("DISABLE", ClientTlsMode::Disable),
    ("SIMPLE", ClientTlsMode::Simple),
    ("MUTUAL", ClientTlsMode::Mutual),
    ("ISTIO_MUTUAL", ClientTlsMode::IstioMutual),
];

pub(super) fn decode(decoder: &Decoder<'_>, reader: Reader<'_>) -> ClientTls {
    let mode = reader.one_of("mode", &MODES).unwrap_or(ClientTlsMode::Disable);
    let credential = reader.field("credentialName").and_then(|field| dns_name(&field));
    let tls = ClientTls {
        mode,
        certificate: certificate(&reader, "clientCertificate", "privateKey"),
        ca: reader.field("caCertificates").and_then(|field| file_path(&field)),
        crl: reader.field("caCrl").and_then(|field| file_path(&field)),
        credential,
        subject_alt_names: names(&reader, "subjectAltNames"),
        sni: reader.field("sni").and_then(|field| host(&field, false)),
        skip_verify: reader.bool("insecureSkipVerify").unwrap_or(false),
        origin: decoder.origin(&reader),
    };
    check(&reader, &tls);
    reader.finish();
    tls
}

/// What does not go together, as Istio sees it.
fn check(reader: &Reader<'_>, tls: &ClientTls) {
    let files = ["clientCertificate", "privateKey", "caCertificates", "caCrl"];
    match tls.mode {
        ClientTlsMode::Mutual if tls.certificate.is_none() && tls.credential.is_none() => {
            let help = "write `clientCertificate` and `privateKey`, or `credentialName`";
            reader.error_with_help("mode", "MUTUAL needs a certificate to show", help);
        }
        ClientTlsMode::IstioMutual => {
            for key in files.iter().chain(&["credentialName"]).filter(|key| reader.has(key)) {
                let help = "remove it, or write `mode: MUTUAL`";
                reader.error_with_help(key, "ISTIO_MUTUAL shows the identity of the mesh", help);
            }
        }
        _ => {}
    }
    if tls.credential.is_some() && (tls.certificate.is_some() || tls.ca.is_some()) {
        let help = "write files, or `credentialName`";
        reader.error_with_help("credentialName", "a credential cannot be beside files", help);
    }
    if tls.skip_verify && (tls.ca.is_some() || !tls.subject_alt_names.is_empty()) {
        let help = "remove `caCertificates` and `subjectAltNames`, or it";
        reader.error_with_help("insecureSkipVerify", "what is not judged cannot be asked for", help);
    }
}

/// Two files that only make sense together.
pub(super) fn certificate(reader: &Reader<'_>, chain: &str, key: &str) -> Option<CertificateFiles> {
    let of = |name: &str| reader.field(name).and_then(|field| file_path(&field));
    match (of(chain), of(key)) {
        (Some(chain), Some(key)) => Some(CertificateFiles { chain, key }),
        (None, None) => None,
        (Some(_), None) => {
            reader.error_with_help(chain, "a certificate needs its key", format!("add `{key}`"));
            None
        }
        (None, Some(_)) => {
            reader.error_with_help(key, "a key needs its certificate", format!("add `{chain}`"));
            None
        }
    }
}

/// Texts that are not empty.
pub(super) fn names(reader: &Reader<'_>, key: &str) -> Vec<Name> {
    let text = |field: &Field<'_>| {
        let text = field.str()?;
        if text.is_empty() {
            field.error("the text is empty");
        }
        Some(Name::from(text))
    };
    reader.list(key).iter().filter_map(text).collect()
}
