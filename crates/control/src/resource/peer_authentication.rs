//! Which connections workloads take: Istio's `PeerAuthentication`.

use std::collections::BTreeMap;

use super::{Labels, Metadata};

/// `PeerAuthentication` of `security.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerAuthentication {
    /// Name and place.
    pub meta: Metadata,
    /// Workloads that it applies to; `None`: all of its namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// `None`: as the next wider policy says.
    pub mode: Option<MtlsMode>,
    /// What differs by application port. Only with a selector.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
}

/// Which connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Mutual TLS only.
    Strict,
    /// Mutual TLS and plaintext.
    Permissive,
    /// Plaintext only.
    Disable,
}
