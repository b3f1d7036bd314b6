//! How the mesh certifies its workloads, and whose certificates it trusts besides its own.

use std::path::PathBuf;
use std::time::Duration;

use ripstop_identity::authority::CaSource;
use ripstop_identity::key::KeyKind;
use ripstop_model::{SpiffeId, TrustDomain};

use super::Mesh;

/// `Mesh.spec.certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// How long a workload certificate is valid; [`Mesh::CERTIFICATE_LIFETIMES`].
    pub lifetime: Duration,
    /// The kind of keys that an own CA makes.
    pub key: KeyKind,
    /// Where the CA comes from.
    pub ca: CaSource,
    /// A Unix socket on which processes of [`Certificates::unix_users`] get certificates.
    pub unix_socket: Option<PathBuf>,
    /// Users of this machine by number, each with the namespace and the service account of its processes.
    pub unix_users: Vec<(u32, SpiffeId)>,
}

impl Default for Certificates {
    fn default() -> Certificates {
        Certificates {
            lifetime: Mesh::DEFAULT_CERTIFICATE_LIFETIME,
            key: KeyKind::default(),
            ca: CaSource::Own,
            unix_socket: None,
            unix_users: Vec::new(),
        }
    }
}

/// A foreign trust domain whose identities are accepted: an element of `Mesh.spec.federation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// Its name.
    pub trust_domain: TrustDomain,
    /// A file with its roots: PEM, or SPIFFE bundle JSON. With an endpoint, the roots to begin with.
    pub bundle_file: Option<PathBuf>,
    /// Where its roots are asked for.
    pub endpoint: Option<BundleEndpoint>,
}

/// Where a trust domain publishes its roots (SPIFFE federation, profile `https_spiffe`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleEndpoint {
    /// `host:port`.
    pub address: String,
    /// Path of the request.
    pub path: String,
    /// Who the server must prove to be.
    pub identity: SpiffeId,
}
