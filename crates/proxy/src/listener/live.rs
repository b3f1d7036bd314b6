//! A listener in one worker: its chains, and what ends the connections of each.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::drain::{Drain, DrainWatch};
use crate::generation::listener::ActiveListener;

/// An [`ActiveListener`] with what one worker adds to it.
pub struct LiveListener {
    /// What all workers share.
    pub active: Arc<ActiveListener>,
    /// One for each chain, by its index.
    drains: Vec<Rc<Drain>>,
}

impl LiveListener {
    /// A listener without connections.
    pub fn new(active: Arc<ActiveListener>) -> LiveListener {
        let drains = std::iter::repeat_with(Rc::default).take(active.chain_count()).collect();
        LiveListener { active, drains }
    }

    /// What becomes of this one when `active` takes its place: the connections of the chains that are the same stay, those of
    /// all others are told that their time is over after `grace`. Without a successor that goes for all of them.
    pub fn succeed(&self, active: Option<&Arc<ActiveListener>>, grace: Duration) -> Option<LiveListener> {
        let next = active.and_then(|next| {
            let origins = next.chains_of(&self.active)?;
            let drain = |origin: Option<usize>| origin.and_then(|place| self.drains.get(place)).cloned();
            let drains = origins.into_iter().map(|origin| drain(origin).unwrap_or_default()).collect();
            Some(LiveListener { active: next.clone(), drains })
        });
        let kept = next.as_ref().map_or(&[][..], |next| &next.drains);
        let kept: HashSet<*const Drain> = kept.iter().map(Rc::as_ptr).collect();
        self.drains
            .iter()
            .filter(|drain| !kept.contains(&Rc::as_ptr(drain)))
            .for_each(|drain| drain.begin(grace));
        next
    }

    /// What a connection of the chain waits on.
    pub fn drain_watch(&self, chain: usize) -> DrainWatch {
        // There is one for each chain.
        self.drains[chain].watch()
    }
}
