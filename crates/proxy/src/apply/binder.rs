//! The listening sockets of all listeners, one for each worker. Which listeners there are is the applier's.

use std::collections::BTreeMap;

use ripstop_model::{Listener, Name};
use ripstop_runtime::listen::{BindError, Bound, Listen, Place, listen_shared};

use crate::generation::Generation;
use crate::listener::socket_key::{SocketKey, sockets_of};
use crate::worker::listeners::Sockets;

/// Addresses that are bound, and those that cannot be.
pub struct Binder {
    workers: usize,
    bound: BTreeMap<SocketKey, Place>,
    unbound: BTreeMap<SocketKey, String>,
    /// Bound for listeners that were accepted and are not in force yet.
    reserved: BTreeMap<Name, Vec<(SocketKey, Vec<Bound>)>>,
}

impl Binder {
    /// Nothing is bound yet. `workers` sockets are made for each address.
    pub fn new(workers: usize) -> Binder {
        Binder { workers, bound: BTreeMap::new(), unbound: BTreeMap::new(), reserved: BTreeMap::new() }
    }

    /// Where listeners really listen.
    pub fn bound(&self) -> &BTreeMap<SocketKey, Place> {
        &self.bound
    }

    /// What could not be bound, and why.
    pub fn unbound(&self) -> &BTreeMap<SocketKey, String> {
        &self.unbound
    }

    /// Binds the addresses of a listener that is about to come in force, all of them or none. The kernel takes connections
    /// from then on; they wait for the listener.
    ///
    /// # Errors
    /// One of them cannot be bound.
    pub fn reserve(&mut self, listener: &Listener) -> Result<(), BindError> {
        let before = self.reserved.remove(&listener.name).unwrap_or_default();
        let mut before: BTreeMap<SocketKey, Vec<Bound>> = before.into_iter().collect();
        let mut made = Vec::new();
        for (key, listen) in sockets_of(listener) {
            if self.bound.contains_key(&key) {
                continue;
            }
            let sockets = match before.remove(&key) {
                Some(sockets) => sockets,
                None => listen_shared(&listen, self.workers)?,
            };
            made.push((key, sockets));
        }
        if !made.is_empty() {
            self.reserved.insert(listener.name.clone(), made);
        }
        Ok(())
    }

    /// Binds the addresses that are new in a generation, and gives each worker its sockets.
    pub fn bind(&mut self, generation: &Generation) -> Vec<Sockets> {
        let mut sockets: Vec<Sockets> = (0..self.workers).map(|_| Vec::new()).collect();
        let listeners = generation.listeners.values();
        let wanted: BTreeMap<SocketKey, Listen> = listeners.flat_map(|l| sockets_of(&l.config)).collect();
        self.bound.retain(|key, _| wanted.contains_key(key));
        let before = std::mem::take(&mut self.unbound);
        // A snapshot has all listeners that were accepted: what it does not use, nobody will.
        let reserved = std::mem::take(&mut self.reserved).into_values().flatten();
        let mut reserved: BTreeMap<SocketKey, Vec<Bound>> = reserved.collect();
        for (key, listen) in wanted {
            if self.bound.contains_key(&key) {
                continue;
            }
            let made = match reserved.remove(&key) {
                Some(made) => Ok(made),
                None => listen_shared(&listen, self.workers),
            };
            match made {
                Ok(made) => {
                    let actual =
                        made.first().map_or(listen.place.clone(), |socket| socket.place(&listen.place));
                    self.bound.insert(key.clone(), actual);
                    sockets.iter_mut().zip(made).for_each(|(of, socket)| of.push((key.clone(), socket)));
                }
                Err(error) => {
                    let error = error.to_string();
                    if !before.contains_key(&key) {
                        tracing::error!(error, "trying again every second");
                    }
                    self.unbound.insert(key, error);
                }
            }
        }
        sockets
    }
}
