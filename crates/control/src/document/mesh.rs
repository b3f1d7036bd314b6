//! Reads `Mesh`.

use std::net::SocketAddr;

use ripstop_model::TrustDomain;
use ripstop_yaml::Reader;

use crate::document::common::Decoder;
use crate::document::defaults;
use crate::resource::{Control, Mesh, Metadata, Profile};

/// A mesh that is written into a namespace makes that namespace the root of mesh-wide policies.
pub(super) fn decode(
    decoder: &Decoder<'_>,
    spec: &Reader<'_>,
    meta: Metadata,
    namespace_written: bool,
) -> Option<Mesh> {
    let trust_domain = trust_domain(spec);
    let mut certificate_lifetime = Mesh::DEFAULT_CERTIFICATE_LIFETIME;
    if let Some(certificates) = spec.map("certificates") {
        if let Some(lifetime) = certificates.duration("lifetime") {
            let (shortest, longest) = Mesh::CERTIFICATE_LIFETIMES;
            if !(shortest..=longest).contains(&lifetime) {
                let (shortest, longest) = (shortest.as_secs(), longest.as_secs() / 3600);
                let message = format!("a certificate is valid for {shortest}s to {longest}h");
                certificates.error("lifetime", message);
            }
            certificate_lifetime = lifetime;
        }
        certificates.finish();
    }
    let mut control = Control::default();
    if let Some(reader) = spec.map("control") {
        control.xds = address(&reader, "xds").unwrap_or(control.xds);
        control.api = address(&reader, "api").unwrap_or(control.api);
        reader.finish();
    }
    let build = spec.strings("build");
    let profile = spec.one_of("profile", &Profile::WORDS);
    let defaults = spec.map("defaults").map(|reader| defaults::decode(decoder, reader));
    let root_namespace =
        if namespace_written { meta.namespace().clone() } else { Mesh::DEFAULT_ROOT_NAMESPACE.into() };
    Some(Mesh {
        meta,
        trust_domain: trust_domain?,
        certificate_lifetime,
        control,
        build,
        root_namespace,
        profile,
        defaults,
    })
}

fn trust_domain(spec: &Reader<'_>) -> Option<TrustDomain> {
    let name = spec.str("trustDomain").unwrap_or_else(|| Mesh::DEFAULT_TRUST_DOMAIN.to_owned());
    match TrustDomain::new(&name) {
        Ok(domain) => Some(domain),
        Err(error) => {
            spec.error("trustDomain", error.to_string());
            None
        }
    }
}

fn address(reader: &Reader<'_>, key: &str) -> Option<SocketAddr> {
    let field = reader.field(key)?;
    let text = field.str()?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(address),
        _ => {
            field.error_with_help(
                format!("`{text}` is not an address with a port"),
                "write it as 127.0.0.1:15012 or [::1]:15012",
            );
            None
        }
    }
}
