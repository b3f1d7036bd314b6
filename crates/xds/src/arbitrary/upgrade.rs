//! Upgrades, at random.

use fastrand::Rng;
use ripstop_model::upgrade::{TerminateConnect, Upgrade};

use super::option;

/// Those of a connection manager.
pub(super) fn of_manager(rng: &mut Rng) -> Vec<Upgrade> {
    let mut upgrades = Vec::new();
    for protocol in ["websocket", "CONNECT", "spdy/3.1"] {
        if rng.bool() {
            upgrades.push(Upgrade { enabled: rng.bool(), ..Upgrade::to(protocol) });
        }
    }
    upgrades
}

/// Those of a route.
pub(super) fn of_route(rng: &mut Rng) -> Vec<Upgrade> {
    let mut upgrades = of_manager(rng);
    for upgrade in upgrades.iter_mut().filter(|upgrade| *upgrade.protocol == *Upgrade::CONNECT) {
        upgrade.terminate = option(rng, |rng| TerminateConnect { allow_post: rng.bool() });
    }
    upgrades
}
