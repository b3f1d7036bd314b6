//! The certificates of the bench: one authority, and one pair (ECDSA P-256) that serves every listener and every client.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::Outcome;
use crate::site::{SERVER_NAME, TlsFiles};

/// Writes new ones into files.
pub fn write(directory: &Path) -> Outcome<TlsFiles> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "bench authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let chain = params.signed_by(&key, &authority)?.pem();
    let key = key.serialize_pem();
    let write = |name: &str, text: &str| -> Outcome<_> {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    Ok(TlsFiles {
        chain: write("chain.pem", &chain)?,
        key: write("key.pem", &key)?,
        both: write("both.pem", &format!("{chain}{key}"))?,
        root: write("root.pem", &authority.pem())?,
    })
}
