//! Reads what a Mesh says of certificates and of foreign trust domains. Paths are relative to the directory of the document.

use std::path::{Path, PathBuf};

use ripstop_identity::attest::MAX_UNIX_USERS;
use ripstop_identity::authority::{CaPaths, CaSource};
use ripstop_identity::key::KeyKind;
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_yaml::Reader;

use crate::resource::{BundleEndpoint, Certificates, Federation, Mesh, Metadata};

/// `spec.certificates`.
pub(super) fn decode(spec: &Reader<'_>, meta: &Metadata, domain: Option<&TrustDomain>) -> Certificates {
    let mut read = Certificates::default();
    let Some(certificates) = spec.map("certificates") else { return read };
    if let Some(lifetime) = certificates.duration("lifetime") {
        let (shortest, longest) = Mesh::CERTIFICATE_LIFETIMES;
        if !(shortest..=longest).contains(&lifetime) {
            let (shortest, longest) = (shortest.as_secs(), longest.as_secs() / 3600);
            let message = format!("a certificate is valid for {shortest}s to {longest}h");
            certificates.error("lifetime", message);
        }
        read.lifetime = lifetime;
    }
    if let Some(key) = certificates.one_of("keyType", &KeyKind::ALL.map(|kind| (kind.as_str(), kind))) {
        read.key = key;
    }
    if let Some(ca) = certificates.map("ca") {
        read.ca = ca_source(&ca, meta);
        ca.finish();
    }
    read.unix_socket = certificates.str("unixSocket").map(|text| beside(meta, &text));
    if let Some(domain) = domain {
        read.unix_users = unix_users(&certificates, domain);
    }
    if read.unix_socket.is_none() && !read.unix_users.is_empty() {
        certificates.error("unixUsers", "they need a `unixSocket` to connect to");
    }
    certificates.finish();
    read
}

fn unix_users(certificates: &Reader<'_>, domain: &TrustDomain) -> Vec<(u32, SpiffeId)> {
    let mut users: Vec<(u32, SpiffeId)> = Vec::new();
    for reader in certificates.maps("unixUsers") {
        let uid = reader.u32("uid");
        if uid.is_none() {
            reader.error_here("needs `uid`, the number of a user");
        }
        let namespace = reader.str("namespace").unwrap_or_else(|| Metadata::DEFAULT_NAMESPACE.to_owned());
        let account = reader.required_str("serviceAccount");
        if let (Some(uid), Some(account)) = (uid, account) {
            match SpiffeId::workload(domain, &namespace, &account) {
                Ok(_) if users.iter().any(|(other, _)| *other == uid) => {
                    reader.error("uid", format!("user {uid} is named twice"));
                }
                Ok(id) => users.push((uid, id)),
                Err(error) => reader.error("serviceAccount", error.to_string()),
            }
        }
        reader.finish();
    }
    if users.len() > MAX_UNIX_USERS {
        certificates.error("unixUsers", format!("at most {MAX_UNIX_USERS} users are allowed"));
    }
    users
}

fn ca_source(ca: &Reader<'_>, meta: &Metadata) -> CaSource {
    let path = |key: &str| ca.str(key).map(|text| beside(meta, &text));
    let directory = path("directory");
    let (certificates, key, chain, roots) = (path("certificate"), path("key"), path("chain"), path("roots"));
    let crl = path("crl");
    let named = [&certificates, &key, &chain, &roots, &crl].into_iter().any(Option::is_some);
    match (directory, certificates, key, roots) {
        (Some(directory), ..) => {
            if named {
                ca.error("directory", "name a directory or single files, not both");
            }
            CaSource::Files(CaPaths::in_directory(&directory))
        }
        (None, Some(certificates), Some(key), Some(roots)) => {
            CaSource::Files(CaPaths { certificates, key, chain, roots, crl })
        }
        _ => {
            ca.error_here("needs `directory`, or `certificate`, `key` and `roots`");
            CaSource::Own
        }
    }
}

/// `spec.trustDomainAliases`.
pub(super) fn aliases(spec: &Reader<'_>) -> Vec<TrustDomain> {
    let mut aliases = Vec::new();
    for name in spec.strings("trustDomainAliases") {
        match TrustDomain::new(&name) {
            Ok(alias) => aliases.push(alias),
            Err(error) => spec.error("trustDomainAliases", error.to_string()),
        }
    }
    if aliases.len() > ripstop_identity::trust::MAX_ALIASES {
        let most = ripstop_identity::trust::MAX_ALIASES;
        spec.error(
            "trustDomainAliases",
            format!("{} are too many, at most {most} are allowed", aliases.len()),
        );
    }
    aliases
}

/// `spec.federation`.
pub(super) fn federation(spec: &Reader<'_>, meta: &Metadata, own: Option<&TrustDomain>) -> Vec<Federation> {
    let mut all: Vec<Federation> = Vec::new();
    for reader in spec.maps("federation") {
        if let Some(one) = foreign(&reader, meta) {
            if Some(&one.trust_domain) == own
                || all.iter().any(|other| other.trust_domain == one.trust_domain)
            {
                reader.error("trustDomain", format!("{} is our own, or named twice", one.trust_domain));
            }
            all.push(one);
        }
        reader.finish();
    }
    if all.len() > ripstop_identity::trust::MAX_FEDERATED {
        let most = ripstop_identity::trust::MAX_FEDERATED;
        spec.error("federation", format!("{} are too many, at most {most} are allowed", all.len()));
    }
    all
}

fn foreign(reader: &Reader<'_>, meta: &Metadata) -> Option<Federation> {
    let name = reader.required_str("trustDomain")?;
    let trust_domain = match TrustDomain::new(&name) {
        Ok(domain) => domain,
        Err(error) => {
            reader.error("trustDomain", error.to_string());
            return None;
        }
    };
    let bundle_file = reader.str("bundleFile").map(|text| beside(meta, &text));
    let endpoint = reader.map("bundleEndpoint").and_then(|endpoint| {
        let read = bundle_endpoint(&endpoint, &trust_domain);
        endpoint.finish();
        read
    });
    if bundle_file.is_none() {
        reader.error_here(
            "needs `bundleFile`: the roots of the domain, or those by which its bundle endpoint is known at first",
        );
    }
    Some(Federation { trust_domain, bundle_file, endpoint })
}

fn bundle_endpoint(reader: &Reader<'_>, domain: &TrustDomain) -> Option<BundleEndpoint> {
    let address = reader.required_str("address")?;
    if !address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
        reader.error("address", format!("`{address}` is not host:port"));
    }
    let path = reader.str("path").unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        reader.error("path", "must begin with `/`");
    }
    let identity = reader.required_str("identity")?;
    match SpiffeId::new(&identity) {
        Ok(identity) if identity.trust_domain() == domain => Some(BundleEndpoint { address, path, identity }),
        Ok(identity) => {
            reader.error("identity", format!("{identity} is not of trust domain {domain}"));
            None
        }
        Err(error) => {
            reader.error("identity", error.to_string());
            None
        }
    }
}

fn beside(meta: &Metadata, path: &str) -> PathBuf {
    let directory = Path::new(&*meta.origin.file).parent().unwrap_or(Path::new(""));
    directory.join(path)
}
