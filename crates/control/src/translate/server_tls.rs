//! How a gateway ends TLS: Istio's `ServerTLSSettings` in the words of the proxies.

use ripstop_model::matcher::StringMatch;
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_model::tls::{
    CertificateRef, CertificateSource, CertificateValidation, DataSource, PeerValidation, TlsCertificate,
};
use ripstop_model::{Name, TlsServer};

use super::mtls::{H2, HTTP_1_1};
use crate::resource::{CertificateFiles, Credential, ObjectKey, ServerTls, ServerTlsMode};
use crate::world::Scope;

/// What a listener needs to end TLS as `settings` say.
///
/// # Errors
/// Why it cannot: a credential is not there, or has not what is needed.
pub(super) fn context(scope: &Scope<'_>, settings: &ServerTls, http: bool) -> Result<TlsServer, String> {
    let alpn: Vec<Name> = if http { vec![H2.into(), HTTP_1_1.into()] } else { Vec::new() };
    if settings.mode == ServerTlsMode::IstioMutual {
        return Ok(TlsServer { alpn, params: settings.params.clone(), ..TlsServer::mesh(Vec::new()) });
    }
    let mut certificates: Vec<CertificateRef> = settings.certificates.iter().map(certificate).collect();
    let (mut ca, mut crl) = (settings.ca.clone(), settings.crl.clone());
    if let Some(name) = &settings.ca_credential {
        let credential = credential(scope, name)?;
        let Some(roots) = &credential.ca else {
            return Err(format!("Credential {} has no roots (`ca`)", credential.meta.key));
        };
        (ca, crl) = (Some(roots.clone()), crl.or_else(|| credential.crl.clone()));
    }
    for name in &settings.credentials {
        let credential = credential(scope, name)?;
        certificates.extend(credential.certificate.as_ref().map(certificate));
        ca = ca.or_else(|| credential.ca.clone());
        crl = crl.or_else(|| credential.crl.clone());
    }
    if certificates.is_empty() {
        return Err("none of its credentials has a certificate".to_owned());
    }
    let asks = matches!(settings.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
    if asks && ca.is_none() {
        return Err("clients are to be judged, and none of its credentials has roots (`ca`)".to_owned());
    }
    let judged = CertificateValidation {
        crl: crl.map(DataSource::File),
        spki_hashes: settings.spki_hashes.clone(),
        certificate_hashes: settings.certificate_hashes.clone(),
        subject_alt_names: settings.subject_alt_names.iter().map(|name| any_name(name)).collect(),
        ..ca.map(|ca| CertificateValidation::trusting(DataSource::File(ca))).unwrap_or_default()
    };
    Ok(TlsServer {
        peer: asks.then(|| PeerValidation::Inline(Box::new(judged))),
        require_client_certificate: settings.mode == ServerTlsMode::Mutual,
        params: settings.params.clone(),
        alpn,
        ..TlsServer::new(CertificateSource::Given(certificates))
    })
}

/// As in Istio, a gateway uses what lies in its own namespace, so that no other namespace can lend a name to it.
fn credential<'a>(scope: &Scope<'a>, name: &Name) -> Result<&'a Credential, String> {
    let key = ObjectKey::new(scope.namespace().clone(), name.clone());
    scope.world.credential(&key).map(|found| &**found).ok_or_else(|| format!("there is no Credential {key}"))
}

/// Files as a certificate.
pub(super) fn certificate(files: &CertificateFiles) -> CertificateRef {
    let (chain, key) = (DataSource::File(files.chain.clone()), DataSource::File(files.key.clone()));
    CertificateRef::Inline(Box::new(TlsCertificate::new(chain, key)))
}

/// A name that a certificate must have: an identity, or one of DNS.
pub(super) fn any_name(name: &str) -> SanMatch {
    let kind = if name.contains("://") { SanKind::Uri } else { SanKind::Dns };
    SanMatch { kind: Some(kind), matcher: StringMatch::exact(name) }
}
