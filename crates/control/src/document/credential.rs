//! Reads `Credential`.

use ripstop_yaml::Reader;

use crate::document::client_tls::certificate;
use crate::document::common::file_path;
use crate::resource::{Credential, Metadata};

pub(super) fn decode(spec: &Reader<'_>, meta: Metadata) -> Credential {
    let certificate = certificate(spec, "certificate", "key");
    let ca = spec.field("ca").and_then(|field| file_path(&field));
    let crl = spec.field("crl").and_then(|field| file_path(&field));
    if certificate.is_none() && ca.is_none() && !spec.has("certificate") && !spec.has("key") {
        spec.error_here("the credential is empty: write `certificate` and `key`, or `ca`");
    }
    Credential { meta, certificate, ca, crl }
}
