//! What the mesh reads out of an X.509 certificate. It parses; whether the certificate is to be trusted is decided in
//! [`crate::verify`].

use std::fmt::Write as _;
use std::time::SystemTime;

use ripstop_model::spiffe::{SpiffeId, SpiffeIdError};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::clock::from_unix_seconds;
use crate::token::hex;

/// The parts of a certificate that the mesh looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// URI subject alternative names, in order, unchecked.
    pub uri_names: Vec<String>,
    /// DNS subject alternative names, in order, unchecked.
    pub dns_names: Vec<String>,
    /// The subject as in RFC 2253, for example `CN=a,O=b`; empty if there is none.
    pub subject: String,
    /// The first second at which the certificate is valid.
    pub not_before: SystemTime,
    /// The last second at which the certificate is valid.
    pub not_after: SystemTime,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// False only if a key usage extension is present and forbids digital signatures.
    pub may_sign_handshakes: bool,
    /// False only if a key usage extension is present and forbids signing certificates.
    pub may_sign_certificates: bool,
    /// Identifier of its own key in lower-case hexadecimal, if it says one.
    pub subject_key_id: Option<String>,
    /// Identifier of the key that signed it in lower-case hexadecimal, if it says one.
    pub authority_key_id: Option<String>,
}

/// Why a certificate cannot be used as an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not one well-formed DER certificate.
    #[error("malformed certificate: {0}")]
    Malformed(String),
    /// SPIFFE wants exactly one URI subject alternative name.
    #[error("certificate has {0} URI subject alternative names, exactly one SPIFFE ID is required")]
    UriNames(usize),
    /// The URI name is not a SPIFFE ID.
    #[error("certificate has no SPIFFE ID: {0}")]
    NotSpiffe(#[from] SpiffeIdError),
}

impl CertificateFacts {
    /// Parses one certificate.
    ///
    /// # Errors
    /// If it is malformed or has bytes after its end.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let parsed = parse(certificate)?;
        let (mut uri_names, mut dns_names) = (Vec::new(), Vec::new());
        let alternative_names = parsed.subject_alternative_name().map_err(malformed)?;
        for name in alternative_names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => uri_names.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                GeneralName::Invalid(..) => {
                    return Err(CertificateError::Malformed("invalid subject alternative name".to_owned()));
                }
                _ => {}
            }
        }
        let key_usage = parsed.key_usage().map_err(malformed)?;
        let constraints = parsed.basic_constraints().map_err(malformed)?;
        let (mut subject_key_id, mut authority_key_id) = (None, None);
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key_id = Some(hex(id.0)),
                ParsedExtension::AuthorityKeyIdentifier(ids) => {
                    authority_key_id = ids.key_identifier.as_ref().map(|id| hex(id.0));
                }
                _ => {}
            }
        }
        Ok(Self {
            uri_names,
            dns_names,
            subject: rfc2253(parsed.subject()),
            not_before: from_unix_seconds(parsed.validity().not_before.timestamp()),
            not_after: from_unix_seconds(parsed.validity().not_after.timestamp()),
            serial: serial_hex(&parsed),
            is_ca: constraints.is_some_and(|extension| extension.value.ca),
            may_sign_handshakes: key_usage
                .as_ref()
                .is_none_or(|extension| extension.value.digital_signature()),
            may_sign_certificates: key_usage.is_none_or(|extension| extension.value.key_cert_sign()),
            subject_key_id,
            authority_key_id,
        })
    }

    /// The one SPIFFE ID of the certificate.
    ///
    /// # Errors
    /// If there is no URI name, more than one, or one that is not a SPIFFE ID.
    pub fn spiffe_id(&self) -> Result<SpiffeId, CertificateError> {
        match self.uri_names.as_slice() {
            [uri] => Ok(SpiffeId::new(uri)?),
            other => Err(CertificateError::UriNames(other.len())),
        }
    }
}

/// Parses a certificate with x509-parser and refuses trailing bytes.
pub(crate) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, CertificateError> {
    let (rest, parsed) = X509Certificate::from_der(certificate.as_ref()).map_err(malformed)?;
    if rest.is_empty() {
        Ok(parsed)
    } else {
        Err(CertificateError::Malformed(format!("{} bytes follow the certificate", rest.len())))
    }
}

/// The serial number in lower-case hexadecimal.
pub(crate) fn serial_hex(parsed: &X509Certificate<'_>) -> String {
    let mut serial = String::new();
    for byte in parsed.serial.to_bytes_be() {
        // Writing to a String cannot fail.
        let _ = write!(serial, "{byte:02x}");
    }
    serial
}

/// PEM text of one certificate.
pub fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let config = pem::EncodeConfig::default().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate.as_ref()), config)
}

fn malformed(error: impl std::fmt::Display) -> CertificateError {
    CertificateError::Malformed(error.to_string())
}

/// RFC 2253 section 2: most specific name first, attributes joined by `,` and special characters escaped.
pub(crate) fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for rdn in name.iter_rdn() {
        let attributes: Vec<String> = rdn
            .iter()
            .map(|attribute| {
                let kind = attribute.attr_type();
                let label =
                    oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), ToOwned::to_owned);
                format!("{label}={}", escape(attribute.as_str().unwrap_or("?")))
            })
            .collect();
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    parts.join(",")
}

/// RFC 2253 section 2.4.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let at_edge = (at == 0 && matches!(c, ' ' | '#')) || (at == last && c == ' ');
        if at_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { '?' } else { c });
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn certificate(names: &[(DnType, &str)], uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn subject_is_written_as_rfc_2253() {
        let der =
            certificate(&[(DnType::OrganizationName, "Acme, \"Inc\""), (DnType::CommonName, " x+y ")], &[]);
        let facts = CertificateFacts::read(&der).unwrap();
        assert_eq!(facts.subject, r#"CN=\ x\+y\ ,O=Acme\, \"Inc\""#);
        assert_eq!(facts.spiffe_id(), Err(CertificateError::UriNames(0)));
    }

    #[test]
    fn exactly_one_spiffe_id_is_required() {
        let one = CertificateFacts::read(&certificate(&[], &["spiffe://td/a"])).unwrap();
        assert_eq!(one.spiffe_id().unwrap().as_str(), "spiffe://td/a");
        let two = CertificateFacts::read(&certificate(&[], &["spiffe://td/a", "spiffe://td/b"])).unwrap();
        assert_eq!(two.spiffe_id(), Err(CertificateError::UriNames(2)));
        let web = CertificateFacts::read(&certificate(&[], &["https://td/a"])).unwrap();
        assert!(matches!(web.spiffe_id(), Err(CertificateError::NotSpiffe(_))));
    }

    #[test]
    fn damaged_certificates_are_refused() {
        let good = certificate(&[], &["spiffe://td/a"]).to_vec();
        let mut trailing = good.clone();
        trailing.push(0);
        assert!(CertificateFacts::read(&CertificateDer::from(trailing)).is_err());
        for length in 0..good.len() {
            assert!(CertificateFacts::read(&CertificateDer::from(good[..length].to_vec())).is_err());
        }
    }
}
