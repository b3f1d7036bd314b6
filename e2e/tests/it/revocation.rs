//! A certificate is taken back by the user's CA: within a second nobody shakes hands with its holder any more.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use ripstop_e2e::mesh::Files;
use ripstop_testkit::wait::until;

/// A root that signs workloads itself; its files are written to `directory`.
fn ca(directory: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "the user's CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    std::fs::create_dir_all(directory).unwrap();
    for (name, text) in
        [("tls.crt", &certificate), ("ca.crt", &certificate), ("tls.key", &key.serialize_pem())]
    {
        std::fs::write(directory.join(name), text).unwrap();
    }
    Issuer::new(params, key)
}

fn list(ca: &Issuer<'static, KeyPair>, serials: &[&str]) -> String {
    let revoked = serials.iter().map(|serial| {
        let byte = |at| u8::from_str_radix(&serial[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..serial.len()).step_by(2).map(byte).collect();
        RevokedCertParams {
            serial_number: SerialNumber::from_slice(&bytes),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2040, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(ca).unwrap().pem().unwrap()
}

#[tokio::test]
async fn a_certificate_that_was_taken_back_opens_no_door() {
    let files = Files::shop("revoked");
    let ca_directory = files.directory.join("mesh/ca");
    let ca = ca(&ca_directory);
    files.edit("mesh.yaml", "lifetime: 24h", "lifetime: 24h\n    ca: {directory: ca}");
    // Every request is a handshake.
    files.end_connections_after(1);
    let mut mesh = files.up();
    mesh.ready().await;
    assert_eq!(mesh.get("/api/users").await.status, 200);
    let page: serde_json::Value = serde_json::from_str(&mesh.page(9902, "/certs").await).unwrap();
    let serial = page["certificates"][0]["cert_chain"][0]["serial_number"].as_str().unwrap().to_owned();

    std::fs::write(ca_directory.join("ca.crl"), list(&ca, &[&serial])).unwrap();
    until("nobody speaks with it", async || (mesh.get("/api/users").await.status == 503).then_some(())).await;
    let refused = async || mesh.metric(9901, "envoy_cluster_ssl_fail_verify_error", "user-service").await;
    until("the refusal is counted", async || (refused().await > 0).then_some(())).await;
    assert_eq!(mesh.get("/api/products").await.status, 200, "all others go on");

    std::fs::write(ca_directory.join("ca.crl"), list(&ca, &[])).unwrap();
    until("it is let in again", async || (mesh.get("/api/users").await.status == 200).then_some(())).await;
}
