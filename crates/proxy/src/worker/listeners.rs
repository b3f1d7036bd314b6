//! The listeners of one worker: which are open, and what changes when a new generation comes.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::Name;
use ripstop_runtime::listen::{Bound, Listener};
use tokio::task::JoinHandle;

use super::Worker;
use crate::listener::accept::accept_loop;
use crate::listener::live::LiveListener;
use crate::listener::socket_key::{SocketKey, sockets_of};

/// Sockets that were bound for a worker.
pub type Sockets = Vec<(SocketKey, Bound)>;

/// The open listeners of a worker.
#[derive(Default)]
pub struct Listeners {
    sockets: HashMap<SocketKey, Rc<Listener>>,
    open: HashMap<Name, Open>,
}

struct Open {
    live: Rc<LiveListener>,
    accepting: HashMap<SocketKey, JoinHandle<()>>,
}

impl Open {
    fn new(live: LiveListener) -> Open {
        Open { live: Rc::new(live), accepting: HashMap::new() }
    }

    fn stop_accepting(&self) {
        self.accepting.values().for_each(JoinHandle::abort);
    }
}

impl Listeners {
    /// Takes over the listeners of the worker's current generation. What is equal is not touched; the
    /// connections of what has changed or gone finish what they are doing.
    pub fn update(&mut self, worker: &Rc<Worker>, sockets: Sockets) {
        for (key, socket) in sockets {
            match Listener::new(socket) {
                Ok(socket) => drop(self.sockets.insert(key, Rc::new(socket))),
                Err(error) => tracing::error!(address = %key.place, %error, "cannot use a listening socket"),
            }
        }
        let generation = worker.current().shared.clone();
        let mut before = std::mem::take(&mut self.open);
        for (name, listener) in &generation.listeners {
            let open = match before.remove(name) {
                Some(open) if Arc::ptr_eq(&open.live.active, listener) => open,
                Some(open) => {
                    open.stop_accepting();
                    let next = open.live.succeed(Some(listener), worker.drain_time);
                    Open::new(next.unwrap_or_else(|| LiveListener::new(listener.clone())))
                }
                None => Open::new(LiveListener::new(listener.clone())),
            };
            self.open.insert(name.clone(), open);
        }
        for gone in before.into_values() {
            gone.stop_accepting();
            gone.live.succeed(None, worker.drain_time);
        }
        self.accept(worker);
    }

    /// Takes connections from the sockets that are there, and closes those that nobody wants any more.
    fn accept(&mut self, worker: &Rc<Worker>) {
        let mut wanted = HashSet::new();
        for open in self.open.values_mut() {
            for (key, _) in sockets_of(&open.live.active.config) {
                if let Some(socket) = self.sockets.get(&key) {
                    open.accepting.entry(key.clone()).or_insert_with(|| {
                        tokio::task::spawn_local(accept_loop(
                            worker.clone(),
                            open.live.clone(),
                            socket.clone(),
                            key.address(),
                        ))
                    });
                }
                wanted.insert(key);
            }
        }
        self.sockets.retain(|key, _| wanted.contains(key));
        worker.set_listeners(self.open.values().map(|open| open.live.clone()).collect());
    }

    /// Takes no more connections; the open ones finish what they are doing.
    pub fn drain(&mut self) {
        for open in self.open.values() {
            open.stop_accepting();
            // Whoever has no request under way now is not waited for: the process ends.
            open.live.succeed(None, Duration::ZERO);
        }
        self.sockets.clear();
    }
}
