//! A worker: one thread with a runtime, accept queues, pools and balancers of its own. Nothing in here is
//! shared with another worker, except through the atomics of a generation.

pub mod cluster;
pub mod generation;
pub mod listeners;
pub mod thread;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use generation::WorkerGeneration;
use tokio::sync::Notify;

use crate::generation::Generation;
use crate::http::under_way::UnderWay;
use crate::listener::live::LiveListener;

/// What everything on the thread of a worker shares.
pub struct Worker {
    /// 0 for the first.
    pub id: usize,
    /// How long connections of a listener that has changed may take a last request.
    pub drain_time: Duration,
    /// The answers that are on their way to clients.
    pub under_way: Rc<UnderWay>,
    /// How many copies of requests are under way.
    pub mirrors: Rc<Cell<u32>>,
    current: RefCell<Rc<WorkerGeneration>>,
    rng: RefCell<fastrand::Rng>,
    connections: Cell<u64>,
    /// Most connections since memory was given back.
    peak: Cell<u64>,
    /// Connections that began to rest or whose endpoints were left since then, and how long it takes until memory may be
    /// given back again.
    freed: Cell<u64>,
    pause: Cell<u32>,
    /// How often memory is given back once more, for what was still being closed.
    once_more: Cell<u32>,
    listeners: RefCell<Vec<Rc<LiveListener>>>,
    starvation: Arc<Notify>,
}

impl Worker {
    /// A worker without configuration. `starvation` is the same for all workers of a proxy.
    pub fn new(id: usize, seed: u64, starvation: Arc<Notify>, drain_time: Duration) -> Rc<Worker> {
        let empty = WorkerGeneration::new(Arc::new(Generation::empty()), None);
        Rc::new(Worker {
            id,
            drain_time,
            under_way: Rc::default(),
            mirrors: Rc::default(),
            current: RefCell::new(Rc::new(empty)),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            connections: Cell::new(0),
            peak: Cell::new(0),
            freed: Cell::new(0),
            pause: Cell::new(0),
            once_more: Cell::new(0),
            listeners: RefCell::default(),
            starvation,
        })
    }

    /// The generation in force. A request takes it once and keeps it to its end.
    pub fn current(&self) -> Rc<WorkerGeneration> {
        self.current.borrow().clone()
    }

    /// Puts a generation in force.
    pub fn replace(&self, generation: Arc<Generation>) {
        let previous = self.current();
        let next = WorkerGeneration::new(generation, Some(&previous));
        *self.current.borrow_mut() = Rc::new(next);
    }

    /// The dice. The closure must not ask for them again.
    pub fn dice<T>(&self, throw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        throw(&mut self.rng.borrow_mut())
    }

    /// How many client connections are open.
    pub fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// A client connection has given its buffers back and waits.
    pub fn rest(&self) {
        self.add_freed(1);
    }

    /// So many connections have given memory back.
    pub fn add_freed(&self, connections: u64) {
        self.freed.set(self.freed.get() + connections);
    }

    /// Whether enough memory has become free since this last said so: most of many connections are gone, or many rest.
    /// Asked every second, it says so every second time at most, and some more times when the end of a burst is drawn out.
    pub fn has_much_free(&self) -> bool {
        self.pause.set(self.pause.get().saturating_sub(1));
        if self.pause.get() > 0 {
            return false;
        }
        let free = burst_is_over(self.peak.get(), self.connections.get()) || self.freed.get() >= BURST;
        match (free, self.once_more.get()) {
            (true, _) => self.once_more.set(ONCE_MORE),
            (false, 0) => return false,
            (false, left) => self.once_more.set(left - 1),
        }
        self.peak.set(self.connections.get());
        self.freed.set(0);
        self.pause.set(PAUSE);
        true
    }

    /// The listeners that take connections from now on.
    pub fn set_listeners(&self, listeners: Vec<Rc<LiveListener>>) {
        *self.listeners.borrow_mut() = listeners;
    }

    /// The listener for a connection that was redirected: the one at this address, else one at the port on all addresses.
    pub fn listener_at(&self, address: SocketAddr) -> Option<Rc<LiveListener>> {
        let listeners = self.listeners.borrow();
        let at = |wanted: SocketAddr| {
            let is_there = |listener: &&Rc<LiveListener>| {
                let mut addresses = listener.active.config.addresses();
                addresses.any(|bind| bind.address.as_socket() == Some(wanted))
            };
            listeners.iter().find(is_there).cloned()
        };
        let unspecified = match address.ip() {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        at(address).or_else(|| at(SocketAddr::new(unspecified, address.port())))
    }

    /// Asks all workers to let go of idle connections to clusters in which requests starve for one.
    pub fn cry_starvation(&self) {
        self.starvation.notify_waiters();
    }

    /// Counts a client connection until the guard is dropped.
    pub fn begin_connection(self: &Rc<Self>) -> OpenConnection {
        self.connections.set(self.connections.get() + 1);
        self.peak.set(self.peak.get().max(self.connections.get()));
        OpenConnection { worker: self.clone() }
    }
}

/// So many connections leave enough behind for it to be worth looking for.
const BURST: u64 = 256;

/// Between two looks that find something, in calls.
const PAUSE: u32 = 2;

/// Closing takes its time on either side, and connections to endpoints are surplus only some seconds later.
const ONCE_MORE: u32 = 2;

fn burst_is_over(peak: u64, now: u64) -> bool {
    peak >= BURST && now <= peak / 2
}

/// A client connection that is open.
pub struct OpenConnection {
    worker: Rc<Worker>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.connections.set(self.worker.connections.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_at_the_end_of_a_burst_and_when_the_last_of_it_is_closed() {
        let worker = Worker::new(0, 1, Arc::new(Notify::new()), Duration::ZERO);
        worker.add_freed(BURST - 1);
        assert!(!worker.has_much_free());
        worker.add_freed(1);
        let said: Vec<bool> = (0..8).map(|_| worker.has_much_free()).collect();
        assert_eq!(said, [true, false, true, false, true, false, false, false]);
    }

    #[test]
    fn a_burst_is_over_when_most_of_many_are_gone() {
        assert!(burst_is_over(10_000, 5_000));
        assert!(!burst_is_over(10_000, 5_001));
        assert!(!burst_is_over(255, 0));
    }
}
