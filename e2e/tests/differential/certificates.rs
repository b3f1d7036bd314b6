//! Keys and certificates in `{{certs}}`, made anew for each run: `NAME.pem` with `NAME.key`, and the authorities.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Name, DNS names, URI, and whether the authority `ca` signs it (else `other-ca` does).
const LEAVES: [(&str, &[&str], Option<&str>, bool); 6] = [
    ("server", &["example.com", "*.example.com", "localhost"], None, true),
    ("server2", &["example.org"], None, true),
    ("workload", &["workload.test"], Some("spiffe://mesh.test/ns/default/sa/workload"), true),
    ("client", &["client.test"], Some("spiffe://mesh.test/ns/default/sa/client"), true),
    ("client2", &["client2.test"], Some("spiffe://mesh.test/ns/default/sa/client2"), true),
    ("stranger", &["stranger.test"], Some("spiffe://other.test/ns/default/sa/stranger"), false),
];

/// Writes them all.
pub fn write(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let good = authority(directory, "ca");
    let other = authority(directory, "other-ca");
    for (name, dns, uri, is_good) in LEAVES {
        let names = dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        if let Some(uri) = uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, "Test");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let issuer = if is_good { &good } else { &other };
        let certificate = params.signed_by(&key, issuer).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn authority(directory: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
    Issuer::new(params, key)
}
