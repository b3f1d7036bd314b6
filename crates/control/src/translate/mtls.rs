//! Mutual TLS of the mesh: what a sidecar asks of its clients, and whether and how members are reached by it.

use ripstop_model::{Name, SpiffeId, TlsClient, TlsServer};
use ripstop_yaml::Problem;

use crate::resource::{AppProtocol, ClientTlsMode, MtlsMode, ServicePort};
use crate::world::{Callee, Member};

/// HTTP/2 in ALPN.
pub(super) const H2: &str = "h2";
/// HTTP/1.1 in ALPN.
pub(super) const HTTP_1_1: &str = "http/1.1";

/// How a sidecar proves itself and whom it lets in: every identity of the trust domain.
pub(super) fn server(protocol: AppProtocol) -> TlsServer {
    let alpn: &[&str] = if protocol.is_http() { &[H2, HTTP_1_1] } else { &[] };
    TlsServer {
        alpn: alpn.iter().map(|protocol| Name::from(*protocol)).collect(),
        ..TlsServer::mesh(Vec::new())
    }
}

/// How members with these identities are called.
pub(super) fn client(protocol: AppProtocol, allowed: Vec<SpiffeId>, server_name: Name) -> TlsClient {
    TlsClient {
        alpn: if protocol.is_http() { vec![H2.into()] } else { Vec::new() },
        ..TlsClient::mesh(allowed, server_name)
    }
}

/// The identities of members, each once. One whose identity nobody knows makes all of the trust domain acceptable.
pub(super) fn identities(members: &[Member<'_>]) -> Vec<SpiffeId> {
    let known: Option<Vec<SpiffeId>> = members.iter().map(|member| member.identity.clone()).collect();
    let mut identities = known.unwrap_or_default();
    identities.sort();
    identities.dedup();
    identities
}

/// How the members of a cluster are reached, and which of them.
pub(super) struct Reach<'a> {
    /// By mutual TLS of the mesh; otherwise in plaintext, or by TLS that a rule describes.
    pub(super) mtls: bool,
    /// Those that are called.
    pub(super) members: Vec<Member<'a>>,
    /// Why this is not what was meant.
    pub(super) warning: Option<Problem>,
}

/// A cluster speaks either TLS or plaintext to all of its endpoints. Where a rule says which (`asked`), that holds.
/// Otherwise, if all take mutual TLS, that is used; if none does, plaintext. If only some do, plaintext is used as long as
/// none insists on TLS; if one insists, those that cannot speak it are left out, rather than calling any of them in a way
/// that fails. Both are reported.
pub(super) fn reach<'a>(
    callee: &Callee,
    port: &ServicePort,
    members: Vec<Member<'a>>,
    asked: Option<ClientTlsMode>,
) -> Reach<'a> {
    match asked {
        Some(ClientTlsMode::IstioMutual) => return Reach { mtls: true, members, warning: None },
        Some(_) => return Reach { mtls: false, members, warning: None },
        None => {}
    }
    let takes_tls = |member: &Member<'_>| member.mode != MtlsMode::Disable;
    let (all, with_tls) = (members.len(), members.iter().filter(|member| takes_tls(member)).count());
    let insists = members.iter().any(|member| member.mode == MtlsMode::Strict);
    let mtls = with_tls > 0 && (with_tls == all || insists);
    let warning = (with_tls > 0 && with_tls < all).then(|| {
        let what = match mtls {
            true => "they are left out, since others insist on it",
            false => "all are called in plaintext",
        };
        let count = all - with_tls;
        let message = format!(
            "{count} of {all} instances of {} port {} take no mutual TLS: {what}",
            callee.key(),
            port.port
        );
        port.origin
            .warning(message)
            .with_help("give every instance a sidecar and one PeerAuthentication mode")
            .with_code("mixed-mtls")
    });
    let members = members.into_iter().filter(|member| !mtls || takes_tls(member)).collect();
    Reach { mtls, members, warning }
}
