//! Identities for tests, from an authority that lives in a temporary directory.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ripstop_identity::authority::Authority;
use ripstop_identity::svid::{IdentityHandle, Svid};
use ripstop_model::{SpiffeId, TrustDomain};

/// An authority of its own for one test.
pub struct TestAuthority {
    authority: Authority,
    directory: PathBuf,
}

impl TestAuthority {
    /// A new authority for `mesh.test`. `name` keeps tests of one process apart.
    pub fn new(name: &str) -> TestAuthority {
        TestAuthority::for_domain(name, "mesh.test")
    }

    /// A new authority for a trust domain.
    pub fn for_domain(name: &str, domain: &str) -> TestAuthority {
        let directory = std::env::temp_dir().join(format!("ripstop-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let domain = TrustDomain::new(domain).unwrap();
        let authority = Authority::open_or_create(&directory, domain, SystemTime::now()).unwrap();
        TestAuthority { authority, directory }
    }

    /// The id of a service account in namespace `default`.
    pub fn id(&self, service_account: &str) -> SpiffeId {
        SpiffeId::workload(self.authority.trust_domain(), "default", service_account).unwrap()
    }

    /// An identity with a fresh certificate.
    pub fn identity(&self, service_account: &str) -> IdentityHandle {
        let handle = IdentityHandle::new(self.authority.trust_bundle());
        handle.publish(self.svid(service_account));
        handle
    }

    /// A fresh certificate with its key.
    pub fn svid(&self, service_account: &str) -> Svid {
        let hour = Duration::from_secs(3600);
        self.authority.issue_svid(&self.id(service_account), hour, SystemTime::now()).unwrap()
    }
}

impl Drop for TestAuthority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
