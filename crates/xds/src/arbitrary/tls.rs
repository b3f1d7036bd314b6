//! What TLS needs, at random.

use fastrand::Rng;
use ripstop_model::matcher::{StringMatch, StringPattern};
use ripstop_model::tls::params::{CipherSuite, Curve, TlsVersion};
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_model::tls::{
    CertificateRef, CertificateSource, CertificateValidation, DataSource, PeerCheck, PeerValidation,
    ProxyVersion, Secret, SecretKind, SecretRef, SecretSource, ServerResumption, TlsCertificate, TlsParams,
    TransportSocket, TransportSocketMatch,
};
use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};

use super::{duration, list, name, option};

pub(super) fn spiffe_id(rng: &mut Rng) -> SpiffeId {
    SpiffeId::new(&format!("spiffe://mesh.test/ns/{}/sa/{}", name(rng), name(rng)))
        .expect("made of plain letters")
}

fn alpn(rng: &mut Rng) -> Vec<Name> {
    if rng.bool() { vec!["h2".into(), "http/1.1".into()] } else { Vec::new() }
}

fn data_source(rng: &mut Rng) -> DataSource {
    match rng.u8(0..3) {
        0 => DataSource::File(name(rng)),
        1 => DataSource::inline(name(rng).as_bytes()),
        _ => DataSource::Environment(name(rng)),
    }
}

fn params(rng: &mut Rng) -> TlsParams {
    let mut suites = CipherSuite::ALL.to_vec();
    let mut curves = Curve::ALL.to_vec();
    rng.shuffle(&mut suites);
    rng.shuffle(&mut curves);
    suites.truncate(rng.usize(0..=suites.len()));
    curves.truncate(rng.usize(0..=curves.len()));
    let version = |rng: &mut Rng| if rng.bool() { TlsVersion::V1_2 } else { TlsVersion::V1_3 };
    let mut versions = [option(rng, version), option(rng, version)];
    if versions.iter().all(Option::is_some) {
        versions.sort();
    }
    let [min_version, max_version] = versions;
    TlsParams { min_version, max_version, cipher_suites: suites, curves }
}

fn certificate(rng: &mut Rng) -> TlsCertificate {
    TlsCertificate {
        chain: data_source(rng),
        key: data_source(rng),
        watched_directory: option(rng, name),
        params: option(rng, params),
    }
}

fn secret_ref(rng: &mut Rng) -> SecretRef {
    let source = match rng.u8(0..4) {
        0 => SecretSource::Static,
        1 => SecretSource::Ads,
        2 => SecretSource::Server { cluster: name(rng) },
        _ => SecretSource::File { path: name(rng), watched_directory: option(rng, name) },
    };
    SecretRef { name: name(rng), source }
}

fn source(rng: &mut Rng, most: usize) -> CertificateSource {
    let count = rng.usize(1..=most);
    match rng.u8(0..3) {
        0 => CertificateSource::WorkloadIdentity,
        1 => {
            let one = |_| CertificateRef::Secret(secret_ref(rng));
            CertificateSource::Given((0..count).map(one).collect())
        }
        _ => {
            let one = |_| CertificateRef::Inline(Box::new(certificate(rng)));
            CertificateSource::Given((0..count).map(one).collect())
        }
    }
}

fn validation(rng: &mut Rng) -> CertificateValidation {
    let kinds = [SanKind::Email, SanKind::Dns, SanKind::Uri, SanKind::Ip];
    let typed = rng.bool();
    let hash = |rng: &mut Rng| {
        let mut hash = [0; 32];
        rng.fill(&mut hash);
        hash
    };
    CertificateValidation {
        trusted_ca: Some(data_source(rng)),
        watched_directory: option(rng, name),
        crl: option(rng, data_source),
        only_verify_leaf_crl: rng.bool(),
        spki_hashes: list(rng, 2, hash),
        certificate_hashes: list(rng, 2, hash),
        subject_alt_names: list(rng, 3, |rng| SanMatch {
            kind: typed.then(|| kinds[rng.usize(0..kinds.len())]),
            matcher: StringMatch {
                pattern: if rng.bool() {
                    StringPattern::Exact(name(rng))
                } else {
                    StringPattern::Suffix(name(rng))
                },
                ignore_case: rng.bool(),
            },
        }),
        allow_expired: rng.bool(),
        accept_untrusted: rng.bool(),
        max_verify_depth: option(rng, |rng| rng.u32(0..=100)),
        suppress_client_ca_list: rng.bool(),
    }
}

fn peer(rng: &mut Rng) -> PeerValidation {
    match rng.u8(0..4) {
        0 => PeerValidation::Mesh(PeerCheck { allowed: list(rng, 3, spiffe_id) }),
        1 => PeerValidation::Inline(Box::new(validation(rng))),
        2 => PeerValidation::Secret(secret_ref(rng)),
        _ => PeerValidation::Combined { default: Box::new(validation(rng)), secret: secret_ref(rng) },
    }
}

fn tls_client(rng: &mut Rng) -> TlsClient {
    TlsClient {
        certificate: option(rng, |rng| source(rng, 1)),
        // Without, there is a warning.
        peer: Some(peer(rng)),
        sni: if rng.bool() { name(rng) } else { "".into() },
        auto_host_sni: rng.bool(),
        auto_sni_san_validation: rng.bool(),
        params: params(rng),
        alpn: alpn(rng),
        max_session_keys: option(rng, |rng| rng.u32(..)),
    }
}

pub(super) fn transport_socket(rng: &mut Rng) -> TransportSocket {
    let version = |rng: &mut Rng| if rng.bool() { ProxyVersion::V1 } else { ProxyVersion::V2 };
    TransportSocket {
        tls: option(rng, |rng| Box::new(tls_client(rng))),
        proxy_protocol: option(rng, version),
    }
}

pub(super) fn transport_match(rng: &mut Rng) -> TransportSocketMatch {
    TransportSocketMatch {
        name: name(rng),
        labels: list(rng, 3, |rng| (name(rng), name(rng))).into_iter().collect(),
        socket: transport_socket(rng),
    }
}

pub(super) fn tls_server(rng: &mut Rng) -> TlsServer {
    let peer = option(rng, peer);
    TlsServer {
        certificates: source(rng, 3),
        // Without anything to judge by, there is a warning.
        require_client_certificate: peer.is_some() && rng.bool(),
        peer,
        require_sni: rng.bool(),
        params: params(rng),
        alpn: alpn(rng),
        resumption: ServerResumption {
            stateless: rng.bool(),
            stateful: rng.bool(),
            timeout: option(rng, |rng| duration(rng).min(std::time::Duration::from_secs(1_000_000))),
        },
        full_scan_on_sni_mismatch: rng.bool(),
        prefer_client_ciphers: rng.bool(),
    }
}

/// A secret of either kind.
pub(crate) fn secret(rng: &mut Rng) -> Secret {
    let kind = match rng.bool() {
        true => SecretKind::Certificate(Box::new(certificate(rng))),
        false => SecretKind::Validation(Box::new(validation(rng))),
    };
    Secret { name: name(rng), kind }
}
