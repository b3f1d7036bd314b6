//! Keys and certificates in `{{certs}}`, made anew for each run: `NAME.pem` with `NAME.key`, and the authorities.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
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

/// The serial number of each is its place among [`LEAVES`], from 1; this one is on the list `revoked.pem` of `ca`.
const REVOKED: u64 = 5;

/// Writes them all.
pub fn write(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let good = authority(directory, "ca");
    let other = authority(directory, "other-ca");
    std::fs::write(directory.join("revoked.pem"), revocation_list(&good)).unwrap();
    for (serial, (name, dns, uri, is_good)) in (1_u64..).zip(LEAVES) {
        let names = dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        if let Some(uri) = uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
        params.serial_number = Some(SerialNumber::from(serial));
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

fn revocation_list(issuer: &Issuer<'static, KeyPair>) -> String {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(REVOKED),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2040, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}
