//! The mesh as a whole: its trust domain, its control plane, how its programs are built.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ripstop_identity::authority::{MAX_LIFETIME, MIN_LIFETIME};
use ripstop_model::{Name, TrustDomain};

use super::{Certificates, Defaults, Federation, Metadata, ObjectKey, Origin, Profile};

/// `Mesh` of `ripstop.io/v1`. There is at most one; without it, [`Mesh::new`] with `cluster.local` is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// Name and place.
    pub meta: Metadata,
    /// Every identity of the mesh belongs to it.
    pub trust_domain: TrustDomain,
    /// Other names of the trust domain.
    pub trust_domain_aliases: Vec<TrustDomain>,
    /// Foreign trust domains.
    pub federation: Vec<Federation>,
    /// How workloads are certified.
    pub certificates: Certificates,
    /// Where the control plane listens.
    pub control: Control,
    /// Command that builds the applications; empty: nothing to build.
    pub build: Vec<String>,
    /// Policies in this namespace hold for the whole mesh.
    pub root_namespace: Name,
    /// What comes with Ripstop and holds where nobody says otherwise; `None`: Istio's defaults.
    pub profile: Option<Profile>,
    /// What holds in the place of the profile.
    pub defaults: Option<Defaults>,
}

/// Where the control plane listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// xDS and certificates (gRPC).
    pub xds: SocketAddr,
    /// JSON API.
    pub api: SocketAddr,
    /// Where other trust domains can ask for our roots; `None`: nowhere.
    pub bundle_endpoint: Option<SocketAddr>,
    /// How often they should ask again. A new root is known for more than twice this time before it signs.
    pub bundle_refresh: Duration,
}

impl Default for Control {
    fn default() -> Control {
        let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Control {
            xds: on(15012),
            api: on(15014),
            bundle_endpoint: None,
            bundle_refresh: Control::BUNDLE_REFRESH,
        }
    }
}

impl Control {
    /// How often other trust domains are told to ask for our roots.
    pub const BUNDLE_REFRESH: Duration = Duration::from_secs(60);
}

impl Mesh {
    /// Trust domain of a mesh that names none, as Istio's.
    pub const DEFAULT_TRUST_DOMAIN: &'static str = "cluster.local";
    /// Namespace of mesh-wide policies unless the mesh is itself written into one, as Istio's.
    pub const DEFAULT_ROOT_NAMESPACE: &'static str = "istio-system";
    /// Certificate lifetime of a mesh that names none.
    pub const DEFAULT_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(24 * 3600);
    /// Shortest and longest certificate lifetime: what the authority issues.
    pub const CERTIFICATE_LIFETIMES: (Duration, Duration) = (MIN_LIFETIME, MAX_LIFETIME);

    /// A mesh of which only the trust domain is said.
    pub fn new(trust_domain: TrustDomain) -> Mesh {
        Mesh {
            meta: Metadata {
                key: ObjectKey::new(Metadata::DEFAULT_NAMESPACE, "mesh"),
                labels: Default::default(),
                origin: Origin::default(),
            },
            trust_domain,
            trust_domain_aliases: Vec::new(),
            federation: Vec::new(),
            certificates: Certificates::default(),
            control: Control::default(),
            build: Vec::new(),
            root_namespace: Mesh::DEFAULT_ROOT_NAMESPACE.into(),
            profile: None,
            defaults: None,
        }
    }
}
