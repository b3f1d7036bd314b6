//! Upgrades ← wire.

use ripstop_model::upgrade::{TerminateConnect, Upgrade};

use super::common::Context;
use super::http_filters::only_router;
use crate::pb;

/// Those of a connection manager.
pub(super) fn of_manager(
    cx: &mut Context,
    upgrades: &[pb::http_connection_manager::UpgradeConfig],
) -> Vec<Upgrade> {
    let mut seen = Vec::new();
    cx.items("upgrade_configs", upgrades, |cx, wire| {
        only_router(cx, &wire.filters);
        twice(cx, &mut seen, &wire.upgrade_type);
        Some(Upgrade { enabled: enabled(wire.enabled.as_ref()), ..Upgrade::to(wire.upgrade_type.as_str()) })
    })
}

/// Those of a route.
pub(super) fn of_route(cx: &mut Context, upgrades: &[pb::route_action::UpgradeConfig]) -> Vec<Upgrade> {
    let mut seen = Vec::new();
    cx.items("upgrade_configs", upgrades, |cx, wire| {
        twice(cx, &mut seen, &wire.upgrade_type);
        let connect = wire.upgrade_type.eq_ignore_ascii_case(Upgrade::CONNECT);
        let terminate = wire.connect_config.as_ref().map(|wire| {
            cx.at("connect_config", |cx| {
                if !connect {
                    cx.reject("only belongs to upgrade_type CONNECT");
                }
                if wire.proxy_protocol_config.is_some() {
                    cx.at("proxy_protocol_config", |cx| {
                        cx.reject("is not supported: the upstream would miss the header that it expects")
                    });
                }
                TerminateConnect { allow_post: wire.allow_post }
            })
        });
        let enabled = enabled(wire.enabled.as_ref());
        Some(Upgrade { enabled, terminate, ..Upgrade::to(wire.upgrade_type.as_str()) })
    })
}

fn enabled(wire: Option<&pb::BoolValue>) -> bool {
    wire.is_none_or(|enabled| enabled.value)
}

fn twice(cx: &mut Context, seen: &mut Vec<String>, protocol: &str) {
    let protocol = protocol.to_ascii_lowercase();
    if seen.contains(&protocol) {
        cx.at("upgrade_type", |cx| cx.reject(format!("there is another entry for '{protocol}'")));
    }
    seen.push(protocol);
}
