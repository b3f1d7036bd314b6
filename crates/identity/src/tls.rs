//! The rustls configurations of the mesh, all made from an [`IdentityHandle`] so that they follow renewal and new
//! roots without being rebuilt. TLS 1.3 and 1.2; X25519MLKEM768 is preferred for the key exchange.
//!
//! Sessions are not resumed on either side. A resumed handshake skips the peer's certificate, so it would outlive an
//! expiry, a removed root or a changed list of allowed identities. The mesh keeps long connections with many requests
//! each, so full handshakes are rare.

use std::sync::{Arc, LazyLock};

use ripstop_model::spiffe::SpiffeId;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig};

use crate::svid::{IdentityHandle, SvidResolver};
use crate::verify::{AllowedIdentities, PeerVerifier};

/// ALPN name of HTTP/2.
pub const ALPN_H2: &[u8] = b"h2";

/// ALPN name of HTTP/1.1.
pub const ALPN_HTTP11: &[u8] = b"http/1.1";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The one cryptographic provider, aws-lc-rs.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Whether a client shows its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// The current SVID, if there is one that has not expired.
    CurrentSvid,
    /// No certificate: for the first contact, where a join token proves the identity.
    Nothing,
}

/// The server side between workloads: clients must present a certificate that `allowed` accepts.
///
/// # Errors
/// Only if the provider lacked TLS 1.2 and 1.3.
pub fn mesh_server_config(
    identity: &IdentityHandle,
    allowed: AllowedIdentities,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    server_config(identity, PeerVerifier::new(identity.clone(), allowed), alpn)
}

/// The client side between workloads: the server must be one that `allowed` accepts, whatever its address.
///
/// # Errors
/// Only if the provider lacked TLS 1.2 and 1.3.
pub fn mesh_client_config(
    identity: &IdentityHandle,
    allowed: AllowedIdentities,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    client_config(identity, allowed, alpn, Present::CurrentSvid)
}

/// The control plane's server side, for gRPC: clients may come without a certificate (to ask for their first one), but a
/// certificate that is presented must be good. What needs one asks for the [`crate::peer::PeerIdentity`] of the
/// connection.
///
/// # Errors
/// Only if the provider lacked TLS 1.2 and 1.3.
pub fn control_server_config(identity: &IdentityHandle) -> Result<Arc<ServerConfig>, rustls::Error> {
    let verifier = PeerVerifier::new(identity.clone(), AllowedIdentities::AnyInTrustDomain);
    server_config(identity, verifier.client_certificate_optional(), &[ALPN_H2])
}

/// A server that proves itself and asks nothing of its clients.
///
/// # Errors
/// Only if the provider lacked TLS 1.2 and 1.3.
pub fn public_server_config(
    identity: &IdentityHandle,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SvidResolver(identity.clone())));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A proxy's client side towards the control plane, which must be `control`. The roots are those of `identity`.
///
/// # Errors
/// Only if the provider lacked TLS 1.2 and 1.3.
pub fn control_client_config(
    identity: &IdentityHandle,
    control: SpiffeId,
    present: Present,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    client_config(identity, AllowedIdentities::only(control), &[ALPN_H2], present)
}

fn server_config(
    identity: &IdentityHandle,
    verifier: PeerVerifier,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier.for_handshakes())
        .with_cert_resolver(Arc::new(SvidResolver(identity.clone())));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client_config(
    identity: &IdentityHandle,
    allowed: AllowedIdentities,
    alpn: &[&[u8]],
    present: Present,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(PeerVerifier::new(identity.clone(), allowed).for_handshakes());
    let mut config = match present {
        Present::CurrentSvid => builder.with_client_cert_resolver(Arc::new(SvidResolver(identity.clone()))),
        Present::Nothing => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_key_exchange_is_preferred() {
        let names: Vec<_> = provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(names.first(), Some(&rustls::NamedGroup::X25519MLKEM768), "{names:?}");
    }
}
