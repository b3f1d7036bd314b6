//! Which socket belongs to which listener, and how it is opened. Sockets outlive a change of their listener.

use ripstop_model::address::BindAddress;
use ripstop_model::{Address, Listener, Name};
use ripstop_runtime::listen::{Listen, Place};

/// What tells listening sockets apart. A listener that is renamed keeps its socket, as long as its port is not 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketKey {
    /// With port 0, whose it is and which of its addresses.
    chosen_for: Option<(Name, usize)>,
    /// Where it listens.
    pub place: Place,
}

impl SocketKey {
    /// The address as it is configured.
    pub fn address(&self) -> Address {
        match &self.place {
            Place::Tcp(address) => Address::Socket(*address),
            Place::Unix(path) => Address::Pipe(path.as_str().into()),
        }
    }
}

/// The sockets of a listener and how to open them; none for one that does not bind.
pub fn sockets_of(listener: &Listener) -> impl Iterator<Item = (SocketKey, Listen)> {
    let addresses = listener.addresses().enumerate().filter(|_| listener.bind_to_port);
    addresses.map(|(index, bind)| {
        let place = place(&bind.address);
        let any_port = matches!(&place, Place::Tcp(address) if address.port() == 0);
        let chosen_for = any_port.then(|| (listener.name.clone(), index));
        (SocketKey { chosen_for, place }, listen(listener, bind))
    })
}

fn listen(listener: &Listener, bind: &BindAddress) -> Listen {
    Listen { freebind: listener.freebind, backlog: listener.backlog, ..listen_at(bind) }
}

/// How an address is listened at that says nothing more.
pub fn listen_at(bind: &BindAddress) -> Listen {
    let of_place = Listen::from(place(&bind.address));
    Listen { ipv4_compat: bind.ipv4_compat, mode: bind.pipe_mode, ..of_place }
}

fn place(address: &Address) -> Place {
    match address {
        Address::Socket(address) => Place::Tcp(*address),
        Address::Pipe(path) => Place::Unix(path.to_string()),
    }
}
