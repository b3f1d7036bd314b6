//! What TLS needs, at random.

use fastrand::Rng;
use ripstop_model::tls::{CertificateSource, PeerCheck};
use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};

use super::{list, name, option};

pub(super) fn spiffe_id(rng: &mut Rng) -> SpiffeId {
    SpiffeId::new(&format!("spiffe://mesh.test/ns/{}/sa/{}", name(rng), name(rng)))
        .expect("made of plain letters")
}

pub(super) fn peer_check(rng: &mut Rng) -> PeerCheck {
    PeerCheck { allowed: list(rng, 3, spiffe_id) }
}

pub(super) fn alpn(rng: &mut Rng) -> Vec<Name> {
    if rng.bool() { vec!["h2".into(), "http/1.1".into()] } else { Vec::new() }
}

pub(super) fn tls_client(rng: &mut Rng) -> TlsClient {
    TlsClient {
        certificate: option(rng, |_| CertificateSource::WorkloadIdentity),
        peer: peer_check(rng),
        sni: if rng.bool() { name(rng) } else { "".into() },
        alpn: alpn(rng),
    }
}

pub(super) fn tls_server(rng: &mut Rng) -> TlsServer {
    TlsServer {
        certificate: CertificateSource::WorkloadIdentity,
        peer: option(rng, peer_check),
        alpn: alpn(rng),
    }
}
