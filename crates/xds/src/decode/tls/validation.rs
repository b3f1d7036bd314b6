//! What peers are judged by ← wire.

use ripstop_model::SpiffeId;
use ripstop_model::matcher::{StringMatch, StringPattern};
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_model::tls::{CertificateSource, CertificateValidation, PeerCheck, PeerValidation};

use super::super::common::Context;
use super::super::matcher;
use super::certificate::data_source;
use super::secret;
use crate::binder::base64;
use crate::pb;

/// `None`: a problem was reported. `Some(None)`: nothing is judged.
#[allow(clippy::option_option, reason = "the outer one says whether it could be read")]
pub(super) fn peer(cx: &mut Context, common: &pb::CommonTlsContext) -> Option<Option<PeerValidation>> {
    use pb::common_tls_context::ValidationContextType;
    let peer = match &common.validation_context_type {
        None => return Some(None),
        Some(ValidationContextType::ValidationContext(wire)) => cx.at("validation_context", |cx| {
            let context = context(cx, wire)?;
            sans_need_roots(cx, &context)?;
            Some(PeerValidation::Inline(Box::new(context)))
        }),
        Some(ValidationContextType::ValidationContextSdsSecretConfig(wire)) => {
            cx.at("validation_context_sds_secret_config", |cx| {
                if secret::is_workload(cx, wire, CertificateSource::TRUST_BUNDLE_SECRET) {
                    secret::note_workload(cx, wire);
                    return Some(PeerValidation::Mesh(PeerCheck { allowed: Vec::new() }));
                }
                secret::reference(cx, wire).map(PeerValidation::Secret)
            })
        }
        Some(ValidationContextType::CombinedValidationContext(wire)) => {
            cx.at("combined_validation_context", |cx| combined(cx, wire))
        }
        Some(_) => cx.refuse("certificate providers are not supported; use validation_context or a secret"),
    };
    peer.map(Some)
}

fn combined(
    cx: &mut Context,
    wire: &pb::common_tls_context::CombinedCertificateValidationContext,
) -> Option<PeerValidation> {
    let default = wire.default_validation_context.clone().unwrap_or_default();
    let Some(reference) = &wire.validation_context_sds_secret_config else {
        return cx.at("validation_context_sds_secret_config", |cx| cx.refuse("is needed"));
    };
    if secret::is_workload(cx, reference, CertificateSource::TRUST_BUNDLE_SECRET) {
        cx.at("validation_context_sds_secret_config", |cx| secret::note_workload(cx, reference));
        let allowed = cx.at("default_validation_context", |cx| allowed_ids(cx, &default));
        return Some(PeerValidation::Mesh(PeerCheck { allowed: allowed? }));
    }
    let default = cx.at("default_validation_context", |cx| context(cx, &default));
    let secret = cx.at("validation_context_sds_secret_config", |cx| secret::reference(cx, reference));
    Some(PeerValidation::Combined { default: Box::new(default?), secret: secret? })
}

pub(super) fn context(
    cx: &mut Context,
    wire: &pb::CertificateValidationContext,
) -> Option<CertificateValidation> {
    let optional = |cx: &mut Context, field: &str, wire: Option<&pb::DataSource>| match wire {
        Some(wire) => cx.at(field, |cx| data_source(cx, wire)).map(Some),
        None => Some(None),
    };
    let trusted_ca = optional(cx, "trusted_ca", wire.trusted_ca.as_ref());
    let crl = optional(cx, "crl", wire.crl.as_ref());
    let spki = cx.items("verify_certificate_spki", &wire.verify_certificate_spki, |cx, text| {
        let hash = base64::decode(text).and_then(|bytes| bytes.try_into().ok());
        hash.or_else(|| cx.refuse("is not the base64 of a SHA-256"))
    });
    let hashes = cx.items("verify_certificate_hash", &wire.verify_certificate_hash, |cx, text| {
        hex(text).or_else(|| cx.refuse("is not a SHA-256 in hexadecimal"))
    });
    let whole = spki.len() == wire.verify_certificate_spki.len()
        && hashes.len() == wire.verify_certificate_hash.len();
    let names = subject_alt_names(cx, wire);
    let (trusted_ca, crl, subject_alt_names) = (trusted_ca?, crl?, names?);
    Some(CertificateValidation {
        trusted_ca,
        watched_directory: wire.watched_directory.as_ref().map(|watched| watched.path.as_str().into()),
        crl,
        only_verify_leaf_crl: wire.only_verify_leaf_cert_crl,
        spki_hashes: spki,
        certificate_hashes: hashes,
        subject_alt_names,
        allow_expired: wire.allow_expired_certificate,
        accept_untrusted: wire.trust_chain_verification != 0,
        max_verify_depth: wire.max_verify_depth.as_ref().map(|depth| depth.value),
        suppress_client_ca_list: wire.suppress_client_ca_list,
    })
    .filter(|_| whole)
}

/// A name alone proves nothing: anybody can write it into a certificate.
fn sans_need_roots(cx: &mut Context, context: &CertificateValidation) -> Option<()> {
    if context.trusted_ca.is_none() && !context.subject_alt_names.is_empty() {
        return cx.refuse("matching subject alternative names without trusted_ca is insecure");
    }
    Some(())
}

/// The old list counts where the new one is empty. `None`: a problem was reported.
#[allow(deprecated, reason = "Envoy still accepts the list without types")]
fn subject_alt_names(cx: &mut Context, wire: &pb::CertificateValidationContext) -> Option<Vec<SanMatch>> {
    let typed = &wire.match_typed_subject_alt_names;
    if !typed.is_empty() {
        let names = cx.items("match_typed_subject_alt_names", typed, san_match);
        return (names.len() == typed.len()).then_some(names);
    }
    let untyped = &wire.match_subject_alt_names;
    let names = cx.items("match_subject_alt_names", untyped, |cx, wire| {
        Some(SanMatch { kind: None, matcher: matcher::string(cx, wire)? })
    });
    (names.len() == untyped.len()).then_some(names)
}

/// Numbers of `SubjectAltNameMatcher.SanType`.
fn san_match(cx: &mut Context, wire: &pb::SubjectAltNameMatcher) -> Option<SanMatch> {
    let kind = match wire.san_type {
        1 => SanKind::Email,
        2 => SanKind::Dns,
        3 => SanKind::Uri,
        4 => SanKind::Ip,
        _ => return cx.at("san_type", |cx| cx.refuse("only EMAIL, DNS, URI and IP_ADDRESS are supported")),
    };
    let rule = wire.matcher.clone().unwrap_or_default();
    Some(SanMatch { kind: Some(kind), matcher: cx.at("matcher", |cx| matcher::string(cx, &rule))? })
}

/// With or without colons between the bytes.
fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The identities that a context allows beside the mesh's own trust bundle: names by which it knows its workloads, and
/// nothing else.
fn allowed_ids(cx: &mut Context, wire: &pb::CertificateValidationContext) -> Option<Vec<SpiffeId>> {
    let read = context(cx, wire)?;
    let plain = CertificateValidation { subject_alt_names: Vec::new(), ..read.clone() };
    let ours = CertificateValidation {
        suppress_client_ca_list: plain.suppress_client_ca_list,
        ..CertificateValidation::default()
    };
    if plain != ours {
        return cx
            .refuse("only match_typed_subject_alt_names can be said beside the mesh's own trust bundle");
    }
    let mut ids = Vec::with_capacity(read.subject_alt_names.len());
    for (index, san) in read.subject_alt_names.iter().enumerate() {
        let id = cx.item("match_typed_subject_alt_names", index, |cx| spiffe_id(cx, san));
        ids.push(id?);
    }
    Some(ids)
}

fn spiffe_id(cx: &mut Context, san: &SanMatch) -> Option<SpiffeId> {
    if san.kind != Some(SanKind::Uri) {
        return cx.at("san_type", |cx| cx.refuse("only URI is supported beside the mesh's own trust bundle"));
    }
    match &san.matcher {
        StringMatch { pattern: StringPattern::Exact(id), ignore_case: false } => match SpiffeId::new(id) {
            Ok(id) => Some(id),
            Err(error) => cx.at("matcher", |cx| cx.refuse(error.to_string())),
        },
        _ => cx.at("matcher", |cx| cx.refuse("only the exact SPIFFE ID is supported, case included")),
    }
}
