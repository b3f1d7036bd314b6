//! Finds listeners that want the same address: the kernel would give each a part of the connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ripstop_model::{Address, Listener, Name};

use super::listener::{ActiveListener, ListenerError};

type Listeners = BTreeMap<Name, Arc<ActiveListener>>;

/// Leaves each address to the listener that has had it, or else to the first by name. What is put back to its version from
/// before, or taken out, is reported.
pub fn keep_apart(listeners: &mut Listeners, previous: &Listeners) -> Vec<ListenerError> {
    let mut claims: HashMap<Address, Name> = HashMap::new();
    let had = |name: &Name, listener: &ActiveListener| {
        previous.get(name).is_some_and(|old| addresses(&old.config).eq(addresses(&listener.config)))
    };
    for (name, listener) in listeners.iter().filter(|(name, listener)| had(name, listener)) {
        claim(&mut claims, name, &listener.config);
    }
    let mut refused = Vec::new();
    listeners.retain(|name, listener| {
        let Some((address, holder)) = held(&claims, name, &listener.config) else {
            claim(&mut claims, name, &listener.config);
            return true;
        };
        refused.push(ListenerError::Address { listener: name.clone(), address, holder });
        match previous.get(name) {
            Some(old) if held(&claims, name, &old.config).is_none() => {
                claim(&mut claims, name, &old.config);
                *listener = old.clone();
                true
            }
            _ => false,
        }
    });
    refused
}

/// The addresses that a listener binds. Port 0 is a different one each time.
fn addresses(listener: &Listener) -> impl Iterator<Item = &Address> {
    let bound = listener.addresses().filter(|_| listener.bind_to_port).map(|bind| &bind.address);
    bound.filter(|address| address.as_socket().is_none_or(|socket| socket.port() != 0))
}

fn claim(claims: &mut HashMap<Address, Name>, name: &Name, listener: &Listener) {
    for address in addresses(listener) {
        claims.insert(address.clone(), name.clone());
    }
}

/// An address of the listener that another one has, and which.
fn held(claims: &HashMap<Address, Name>, name: &Name, listener: &Listener) -> Option<(Address, Name)> {
    addresses(listener).find_map(|address| {
        let holder = claims.get(address).filter(|holder| *holder != name)?;
        Some((address.clone(), holder.clone()))
    })
}
