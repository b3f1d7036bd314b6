//! An identity as secrets (SDS), for proxies that cannot hold it by themselves. This is where a private key leaves its place on
//! purpose: what is made here goes to one peer that has proved who it is, over a socket that nobody else can read.

use ripstop_model::Secret;
use ripstop_model::tls::{CertificateSource, CertificateValidation, DataSource, SecretKind, TlsCertificate};
use rustls_pki_types::PrivateKeyDer;

use crate::certificate::to_pem;
use crate::svid::Svid;
use crate::trust::Trust;

/// The certificate with its key, under the name [`CertificateSource::WORKLOAD_SECRET`].
pub fn certificate(svid: &Svid) -> Secret {
    let chain: String = svid.chain().iter().map(to_pem).collect();
    let kind = match svid.private_key() {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let key = pem::encode(&pem::Pem::new(kind, svid.private_key().secret_der()));
    let certificate = TlsCertificate::new(DataSource::inline(chain), DataSource::inline(key));
    Secret {
        name: CertificateSource::WORKLOAD_SECRET.into(),
        kind: SecretKind::Certificate(Box::new(certificate)),
    }
}

/// The roots of the own trust domain, under the name [`CertificateSource::TRUST_BUNDLE_SECRET`].
pub fn roots(trust: &Trust) -> Secret {
    let validation = CertificateValidation::trusting(DataSource::inline(trust.bundle().to_pem()));
    Secret {
        name: CertificateSource::TRUST_BUNDLE_SECRET.into(),
        kind: SecretKind::Validation(Box::new(validation)),
    }
}
