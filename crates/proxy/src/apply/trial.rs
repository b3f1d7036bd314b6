//! Tries resources before the control plane is told that they were taken: compiles them, and binds the addresses of
//! listeners. What was tried is thrown away, apart from the sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ripstop_model::{Cluster, Listener, RouteConfiguration};
use ripstop_xds::client::Trial;

use super::binder::Binder;
use crate::generation::compile::Compiler;

/// What snapshots are put in force with, shared by the applier and whoever tries single resources. Both are on the
/// control thread, so neither ever waits for the other.
#[derive(Clone)]
pub struct Workshop {
    compiler: Arc<Mutex<Compiler>>,
    binder: Arc<Mutex<Binder>>,
}

impl Workshop {
    /// For so many workers.
    pub fn new(compiler: Compiler, workers: usize) -> Workshop {
        Workshop {
            compiler: Arc::new(Mutex::new(compiler)),
            binder: Arc::new(Mutex::new(Binder::new(workers))),
        }
    }

    /// The compiler.
    pub fn compiler(&self) -> MutexGuard<'_, Compiler> {
        // A panic elsewhere ends the process.
        self.compiler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sockets.
    pub fn binder(&self) -> MutexGuard<'_, Binder> {
        // The same.
        self.binder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trial for Workshop {
    fn listener(&mut self, listener: &Listener) -> Result<(), String> {
        self.compiler().try_listener(listener).map_err(|error| error.to_string())?;
        self.binder().reserve(listener).map_err(|error| error.to_string())
    }

    fn cluster(&mut self, cluster: &Cluster) -> Result<(), String> {
        self.compiler().try_cluster(cluster).map_err(|error| error.to_string())
    }

    fn routes(&mut self, routes: &RouteConfiguration) -> Result<(), String> {
        self.compiler().try_routes(routes).map_err(|error| error.to_string())
    }
}
