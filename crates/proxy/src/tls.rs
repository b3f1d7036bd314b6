//! The TLS contexts of the proxy: one place from which listeners and clusters get them, looked through on the control
//! thread for certificates that have changed. What a context is, is `ripstop-identity`'s.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ripstop_identity::context::store::Contexts;
use ripstop_identity::svid::IdentityHandle;
use ripstop_xds::secret_file;

/// How often files with certificates are looked at.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// All contexts. Clones are the same.
#[derive(Clone)]
pub struct TlsContexts(Arc<Mutex<Contexts>>);

impl TlsContexts {
    /// No contexts yet. `identity` is that of the workload, if it has one.
    pub fn new(identity: Option<IdentityHandle>) -> TlsContexts {
        TlsContexts(Arc::new(Mutex::new(Contexts::new(identity, secret_file::secrets))))
    }

    /// The contexts; requests never ask for them.
    pub fn lock(&self) -> MutexGuard<'_, Contexts> {
        // Each change of them is whole when it is seen.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for changes until the process ends.
    pub async fn refresh_for_ever(self) {
        let mut ticks = tokio::time::interval(REFRESH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.lock().refresh();
        }
    }
}
