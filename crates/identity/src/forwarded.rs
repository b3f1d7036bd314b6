//! The element about a client in `x-forwarded-client-cert`. What is done with that header is decided where requests are
//! served.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use ripstop_model::http_manager::client_cert::ClientCertDetails;
use rustls_pki_types::CertificateDer;

use crate::certificate::{CertificateError, CertificateFacts, to_pem};
use crate::token::hex;

/// The element for the client that presented `chain` (its own certificate first) to a proxy whose certificate has the
/// URI names `by`, as Envoy writes it: `By=…;Hash=…` and then what `details` ask for.
///
/// # Errors
/// If the client's certificate is malformed, or `chain` empty.
pub fn client_cert_element(
    chain: &[CertificateDer<'_>],
    by: &[String],
    details: ClientCertDetails,
) -> Result<String, CertificateError> {
    let leaf = chain.first().ok_or_else(|| CertificateError::Malformed("there is none".to_owned()))?;
    let facts = CertificateFacts::read(leaf)?;
    let mut parts: Vec<String> = by.iter().map(|uri| format!("By={uri}")).collect();
    parts.push(format!("Hash={}", hex(digest::digest(&digest::SHA256, leaf.as_ref()).as_ref())));
    if details.cert {
        parts.push(format!("Cert=\"{}\"", url_encoded(&to_pem(leaf))));
    }
    if details.chain {
        let pem: String = chain.iter().map(to_pem).collect();
        parts.push(format!("Chain=\"{}\"", url_encoded(&pem)));
    }
    if details.subject {
        let subject = facts.subject.replace('\\', "\\\\").replace('"', "\\\"");
        parts.push(format!("Subject=\"{subject}\""));
    }
    if details.uri {
        if facts.uri_names.is_empty() {
            parts.push("URI=".to_owned());
        }
        parts.extend(facts.uri_names.iter().map(|uri| format!("URI={uri}")));
    }
    if details.dns {
        parts.extend(facts.dns_names.iter().map(|name| format!("DNS={name}")));
    }
    Ok(parts.join(";"))
}

/// PEM as Envoy puts it into a header.
fn url_encoded(pem: &str) -> String {
    let mut out = String::with_capacity(pem.len() + pem.len() / 8);
    for char in pem.chars() {
        match char {
            '\n' | ' ' | '+' | '/' | '=' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{:02X}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    #[test]
    fn the_element_has_envoys_form() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "a \"b\"");
        params.subject_alt_names = vec![
            SanType::URI("spiffe://td/ns/shop/sa/a".try_into().unwrap()),
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::DnsName("b.example".try_into().unwrap()),
        ];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let by = ["spiffe://td/ns/shop/sa/b".to_owned()];
        let element = |details| client_cert_element(std::slice::from_ref(&der), &by, details).unwrap();
        let none = ClientCertDetails::default();
        let short = element(none);
        let hash = short.strip_prefix("By=spiffe://td/ns/shop/sa/b;Hash=").unwrap();
        assert!(hash.len() == 64 && !hash.contains(';'), "{short}");
        let subject_and_names = element(ClientCertDetails { subject: true, uri: true, dns: true, ..none });
        assert_eq!(
            subject_and_names,
            format!(
                r#"{short};Subject="CN=a \\\"b\\\"";URI=spiffe://td/ns/shop/sa/a;DNS=a.example;DNS=b.example"#
            )
        );
        let cert = element(ClientCertDetails { cert: true, ..none });
        let pem = cert.strip_prefix(&format!("{short};Cert=\"-----BEGIN%20CERTIFICATE-----%0A")).unwrap();
        assert!(!pem.contains(['\n', ' ', '+', '/', '=']), "{pem}");
        let chain = element(ClientCertDetails { chain: true, ..none });
        assert!(chain.contains(";Chain=\"-----BEGIN%20CERTIFICATE-----%0A"), "{chain}");
    }
}
