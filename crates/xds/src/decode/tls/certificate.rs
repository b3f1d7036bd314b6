//! Certificates and the places their bytes come from ← wire.

use ripstop_model::tls::{CertificateRef, CertificateSource, DataSource, TlsCertificate};

use super::super::common::Context;
use super::{params, secret};
use crate::pb;

/// `None`: a problem was reported. `Some(None)`: there is no certificate.
#[allow(clippy::option_option, reason = "the outer one says whether it could be read")]
pub(super) fn source(cx: &mut Context, common: &pb::CommonTlsContext) -> Option<Option<CertificateSource>> {
    let secrets = &common.tls_certificate_sds_secret_configs;
    if let [only] = secrets.as_slice()
        && secret::is_workload(cx, only, CertificateSource::WORKLOAD_SECRET)
    {
        cx.item("tls_certificate_sds_secret_configs", 0, |cx| secret::note_workload(cx, only));
        if !common.tls_certificates.is_empty() {
            return cx
                .at("tls_certificates", |cx| cx.refuse("cannot be beside the workload's own certificate"));
        }
        return Some(Some(CertificateSource::WorkloadIdentity));
    }
    let inline = cx.items("tls_certificates", &common.tls_certificates, |cx, wire| {
        Some(CertificateRef::Inline(Box::new(certificate(cx, wire)?)))
    });
    let named = cx.items("tls_certificate_sds_secret_configs", secrets, |cx, wire| {
        Some(CertificateRef::Secret(secret::reference(cx, wire)?))
    });
    if inline.len() + named.len() < common.tls_certificates.len() + secrets.len() {
        return None;
    }
    if !inline.is_empty() && !named.is_empty() {
        return cx.refuse(
            "certificates come either from tls_certificates or from tls_certificate_sds_secret_configs",
        );
    }
    let given = if inline.is_empty() { named } else { inline };
    Some(
        Some(CertificateSource::Given(given))
            .filter(|_| !common.tls_certificates.is_empty() || !secrets.is_empty()),
    )
}

pub(super) fn certificate(cx: &mut Context, wire: &pb::TlsCertificate) -> Option<TlsCertificate> {
    let chain = cx.at("certificate_chain", |cx| needed(cx, wire.certificate_chain.as_ref()));
    let key = cx.at("private_key", |cx| needed(cx, wire.private_key.as_ref()));
    let params = match &wire.tls_params {
        Some(_) => params::params(cx, "tls_params", wire.tls_params.as_ref()).map(Some),
        None => Some(None),
    };
    Some(TlsCertificate {
        chain: chain?,
        key: key?,
        watched_directory: wire.watched_directory.as_ref().map(|watched| watched.path.as_str().into()),
        params: params?,
    })
}

fn needed(cx: &mut Context, wire: Option<&pb::DataSource>) -> Option<DataSource> {
    match wire {
        Some(wire) => data_source(cx, wire),
        None => cx.refuse("is needed"),
    }
}

/// Where bytes come from. Nothing is read here.
pub(super) fn data_source(cx: &mut Context, wire: &pb::DataSource) -> Option<DataSource> {
    use pb::data_source::Specifier;
    match &wire.specifier {
        Some(Specifier::Filename(path)) => Some(DataSource::File(path.as_str().into())),
        Some(Specifier::InlineBytes(bytes)) => Some(DataSource::inline(bytes)),
        Some(Specifier::InlineString(text)) => Some(DataSource::inline(text)),
        Some(Specifier::EnvironmentVariable(name)) => Some(DataSource::Environment(name.as_str().into())),
        None => cx.refuse("needs one of filename, inline_bytes, inline_string and environment_variable"),
    }
}
