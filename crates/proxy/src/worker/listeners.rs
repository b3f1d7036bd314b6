//! The listeners of one worker: which are open, and what changes when a new generation comes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ripstop_model::Name;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Worker;
use crate::generation::listener::ActiveListener;
use crate::listener::accept::accept_loop;
use crate::listener::drain::Drain;

/// Sockets that were bound for a worker, by address.
pub type Sockets = Vec<(SocketAddr, std::net::TcpListener)>;

/// The open listeners of a worker.
#[derive(Default)]
pub struct Listeners {
    sockets: HashMap<SocketAddr, Rc<TcpListener>>,
    open: HashMap<Name, Open>,
}

struct Open {
    listener: Arc<ActiveListener>,
    accepting: JoinHandle<()>,
    drain: Drain,
}

impl Listeners {
    /// Takes over the listeners of the worker's current generation. What is equal is not touched; the
    /// connections of what has changed or gone finish what they are doing.
    pub fn update(&mut self, worker: &Rc<Worker>, sockets: Sockets) {
        for (address, socket) in sockets {
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    self.sockets.insert(address, Rc::new(socket));
                }
                Err(error) => tracing::error!(%address, %error, "cannot use a listening socket"),
            }
        }
        let generation = worker.current().shared.clone();
        let unchanged = |name: &Name, open: &Open| {
            generation.listeners.get(name).is_some_and(|new| Arc::ptr_eq(new, &open.listener))
        };
        self.open.retain(|name, open| {
            let keep = unchanged(name, open);
            if !keep {
                open.accepting.abort();
                open.drain.begin();
            }
            keep
        });
        for (name, listener) in &generation.listeners {
            let Some(address) = listener.config.address.as_socket() else { continue };
            let Some(socket) = self.sockets.get(&address) else { continue };
            if self.open.contains_key(name) {
                continue;
            }
            let drain = Drain::default();
            let accept = accept_loop(worker.clone(), listener.clone(), socket.clone(), drain.watch());
            let accepting = tokio::task::spawn_local(accept);
            self.open.insert(name.clone(), Open { listener: listener.clone(), accepting, drain });
        }
        let wanted = |address: &SocketAddr| {
            generation.listeners.values().any(|l| l.config.address.as_socket() == Some(*address))
        };
        self.sockets.retain(|address, _| wanted(address));
    }

    /// Takes no more connections; the open ones finish what they are doing.
    pub fn drain(&mut self) {
        for open in self.open.values() {
            open.accepting.abort();
            open.drain.begin();
        }
        self.sockets.clear();
    }
}
