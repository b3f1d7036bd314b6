//! Mutual TLS: what a sidecar asks of its clients, and whether and how instances are reached by it.

use std::net::SocketAddr;
use std::sync::Arc;

use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};
use ripstop_yaml::Problem;

use crate::resource::{AppProtocol, MtlsMode, Service, ServicePort};
use crate::world::{Instance, World};

const H2: &str = "h2";
const HTTP_1_1: &str = "http/1.1";

/// How a sidecar proves itself and whom it lets in: every identity of the trust domain.
pub(super) fn server(protocol: AppProtocol) -> TlsServer {
    let alpn: &[&str] = if protocol.is_http() { &[H2, HTTP_1_1] } else { &[] };
    TlsServer {
        alpn: alpn.iter().map(|protocol| Name::from(*protocol)).collect(),
        ..TlsServer::mesh(Vec::new())
    }
}

/// How instances with these identities are called.
pub(super) fn client(protocol: AppProtocol, allowed: Vec<SpiffeId>, server_name: Name) -> TlsClient {
    TlsClient {
        alpn: if protocol.is_http() { vec![H2.into()] } else { Vec::new() },
        ..TlsClient::mesh(allowed, server_name)
    }
}

/// The identities of all workloads of a service, each once.
pub(super) fn identities(instances: &[Arc<Instance>]) -> Vec<SpiffeId> {
    let mut identities: Vec<SpiffeId> = instances.iter().map(|instance| instance.identity.clone()).collect();
    identities.sort();
    identities.dedup();
    identities
}

/// How the instances of a cluster are reached, and which of them.
pub(super) struct Reach<'a> {
    /// By mutual TLS; otherwise in plaintext.
    pub(super) mtls: bool,
    /// Where each is reached.
    pub(super) endpoints: Vec<(&'a Instance, SocketAddr)>,
    /// Why this is not what was meant.
    pub(super) warning: Option<Problem>,
}

/// A cluster speaks either TLS or plaintext to all of its endpoints. If all take mutual TLS, that is used; if none does,
/// plaintext. If only some do, plaintext is used as long as none insists on TLS; if one insists, those that cannot
/// speak it are left out, rather than calling any of them in a way that fails. Both are reported.
pub(super) fn reach<'a>(
    world: &World,
    service: &Service,
    port: &ServicePort,
    instances: impl Iterator<Item = &'a Instance>,
) -> Reach<'a> {
    let mut targets = Vec::new();
    for instance in instances {
        let Some(at) = instance.workload.ports.get(&port.name) else { continue };
        let mode = at.sidecar.map(|_| world.mtls_mode(&instance.workload, at.app));
        let address = SocketAddr::new(instance.workload.address, at.sidecar.unwrap_or(at.app));
        targets.push((instance, address, mode.unwrap_or(MtlsMode::Disable)));
    }
    let takes_tls = |mode: MtlsMode| mode != MtlsMode::Disable;
    let with_tls = targets.iter().filter(|(_, _, mode)| takes_tls(*mode)).count();
    let insists = targets.iter().any(|(_, _, mode)| *mode == MtlsMode::Strict);
    let mtls = with_tls > 0 && (with_tls == targets.len() || insists);
    let warning = (with_tls > 0 && with_tls < targets.len()).then(|| {
        let count = targets.len() - with_tls;
        let what = match mtls {
            true => "they are left out, since others insist on it",
            false => "all are called in plaintext",
        };
        let key = &service.meta.key;
        let message = format!(
            "{count} of {} instances of {key} port {} take no mutual TLS: {what}",
            targets.len(),
            port.port
        );
        port.origin
            .warning(message)
            .with_help("give every instance a sidecar and one PeerAuthentication mode")
            .with_code("mixed-mtls")
    });
    let reached = targets.into_iter().filter(|(_, _, mode)| !mtls || takes_tls(*mode));
    Reach { mtls, endpoints: reached.map(|(instance, address, _)| (instance, address)).collect(), warning }
}
