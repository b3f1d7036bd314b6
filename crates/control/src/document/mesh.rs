//! Reads `Mesh`.

use std::net::SocketAddr;
use std::time::Duration;

use ripstop_model::TrustDomain;
use ripstop_yaml::Reader;

use super::certificates;
use crate::document::common::Decoder;
use crate::document::defaults;
use crate::resource::{Control, Mesh, Metadata, Profile};

/// Nobody should have to ask more often.
const MIN_BUNDLE_REFRESH: Duration = Duration::from_secs(5);

/// A mesh that is written into a namespace makes that namespace the root of mesh-wide policies.
pub(super) fn decode(
    decoder: &Decoder<'_>,
    spec: &Reader<'_>,
    meta: Metadata,
    namespace_written: bool,
) -> Option<Mesh> {
    let trust_domain = trust_domain(spec);
    let certificates = certificates::decode(spec, &meta, trust_domain.as_ref());
    let trust_domain_aliases = certificates::aliases(spec);
    let federation = certificates::federation(spec, &meta, trust_domain.as_ref());
    let mut control = Control::default();
    if let Some(reader) = spec.map("control") {
        control.xds = address(&reader, "xds").unwrap_or(control.xds);
        control.api = address(&reader, "api").unwrap_or(control.api);
        control.bundle_endpoint = address(&reader, "bundleEndpoint");
        if let Some(refresh) = reader.duration("bundleRefresh") {
            if refresh < MIN_BUNDLE_REFRESH {
                reader.error("bundleRefresh", "must be 5s or more");
            }
            control.bundle_refresh = refresh;
        }
        reader.finish();
    }
    let build = spec.strings("build");
    let profile = spec.one_of("profile", &Profile::WORDS);
    let defaults = spec.map("defaults").map(|reader| defaults::decode(decoder, reader));
    let root_namespace =
        if namespace_written { meta.namespace().clone() } else { Mesh::DEFAULT_ROOT_NAMESPACE.into() };
    let trust_domain = trust_domain?;
    Some(Mesh {
        meta,
        trust_domain,
        trust_domain_aliases,
        federation,
        certificates,
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
