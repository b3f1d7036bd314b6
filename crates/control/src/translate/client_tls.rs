//! How TLS is begun to a destination that is not a workload of the mesh: Istio's `ClientTLSSettings` in the words of the
//! proxies.

use ripstop_model::tls::{CertificateSource, CertificateValidation, DataSource, PeerValidation};
use ripstop_model::{Name, TlsClient};

use super::server_tls::{any_name, certificate};
use crate::resource::{ClientTls, ClientTlsMode, ObjectKey};
use crate::world::{Callee, Scope};

/// What a cluster needs to speak TLS as `settings` say.
///
/// # Errors
/// Why it cannot: a credential is not there, or has not what is needed.
pub(super) fn context(scope: &Scope<'_>, settings: &ClientTls, callee: &Callee) -> Result<TlsClient, String> {
    let (mut shown, mut ca, mut crl) =
        (settings.certificate.clone(), settings.ca.clone(), settings.crl.clone());
    if let Some(name) = &settings.credential {
        let key = ObjectKey::new(scope.namespace().clone(), name.clone());
        let Some(credential) = scope.world.credential(&key) else {
            return Err(format!("there is no Credential {key}"));
        };
        shown = credential.certificate.clone();
        ca = credential.ca.clone();
        crl = credential.crl.clone();
    }
    let mutual = settings.mode == ClientTlsMode::Mutual;
    if mutual && shown.is_none() {
        return Err("its credential has no certificate to show".to_owned());
    }
    let host = (!callee.host.starts_with('*')).then(|| callee.host.clone());
    let sni = settings.sni.clone().or(host).unwrap_or_else(|| "".into());
    let of_entry = callee.entry().map(|entry| entry.subject_alt_names.as_slice()).unwrap_or_default();
    let names: &[Name] = match settings.subject_alt_names.as_slice() {
        [] => of_entry,
        own => own,
    };
    let roots = ca.unwrap_or_else(|| ClientTls::SYSTEM_ROOTS.into());
    let judged = CertificateValidation {
        crl: crl.map(DataSource::File),
        subject_alt_names: names.iter().map(|name| any_name(name)).collect(),
        ..CertificateValidation::trusting(DataSource::File(roots))
    };
    Ok(TlsClient {
        certificate: shown
            .filter(|_| mutual)
            .map(|files| CertificateSource::Given(vec![certificate(&files)])),
        // Whoever is asked for by name has to be it.
        auto_sni_san_validation: !settings.skip_verify && names.is_empty() && !sni.is_empty(),
        sni,
        ..TlsClient::new((!settings.skip_verify).then(|| PeerValidation::Inline(Box::new(judged))))
    })
}
