//! A certificate with its key under a name, for gateways and destinations to refer to. It names files, which are on the
//! machine of the proxy: no key passes through the control plane.

use ripstop_model::Name;

use super::{CertificateFiles, Metadata};

/// `Credential` of `ripstop.io/v1`: what `credentialName` refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Name and place.
    pub meta: Metadata,
    /// What is shown; `None`: only roots are here.
    pub certificate: Option<CertificateFiles>,
    /// File with the roots that the other side's chain must lead to.
    pub ca: Option<Name>,
    /// File with revocation lists.
    pub crl: Option<Name>,
}
