//! Upgrades → wire.

use ripstop_model::upgrade::{TerminateConnect, Upgrade};

use super::common::bool_value;
use crate::pb;
use crate::pb::route_action::upgrade_config::ConnectConfig;

pub(super) fn of_manager(upgrade: &Upgrade) -> pb::http_connection_manager::UpgradeConfig {
    pb::http_connection_manager::UpgradeConfig {
        upgrade_type: upgrade.protocol.to_string(),
        enabled: (!upgrade.enabled).then(|| bool_value(false)),
        ..Default::default()
    }
}

pub(super) fn of_route(upgrade: &Upgrade) -> pb::route_action::UpgradeConfig {
    pb::route_action::UpgradeConfig {
        upgrade_type: upgrade.protocol.to_string(),
        enabled: (!upgrade.enabled).then(|| bool_value(false)),
        connect_config: upgrade
            .terminate
            .map(|TerminateConnect { allow_post }| ConnectConfig { allow_post, ..Default::default() }),
    }
}
