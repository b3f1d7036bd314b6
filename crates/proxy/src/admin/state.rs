//! `/ready`, `/server_info` and what else tells how the process as a whole fares.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::json;

use super::Inspector;

/// How far a process is, by Envoy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It takes traffic.
    Live,
    /// It ends, or was told to say so.
    Draining,
    /// It waits for its first configuration.
    Initializing,
}

impl State {
    /// Envoy's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            State::Live => "LIVE",
            State::Draining => "DRAINING",
            State::Initializing => "INITIALIZING",
        }
    }

    /// Envoy's number, in `server.state`.
    pub(super) fn number(self) -> u64 {
        match self {
            State::Live => 0,
            State::Draining => 1,
            State::Initializing => 3,
        }
    }
}

pub(super) fn state(inspector: &Inspector) -> State {
    match () {
        () if inspector.is_draining() => State::Draining,
        () if inspector.ready.missing().is_empty() => State::Live,
        () => State::Initializing,
    }
}

/// Whether traffic is taken; if not, what is waited for.
pub(super) fn ready(inspector: &Inspector, _: &Query) -> Answer {
    match state(inspector) {
        State::Live => text(StatusCode::OK, "LIVE\n"),
        State::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "DRAINING\n"),
        State::Initializing => {
            let missing = inspector.ready.missing().join(", ");
            text(StatusCode::SERVICE_UNAVAILABLE, format!("INITIALIZING\nwaiting for: {missing}\n"))
        }
    }
}

/// Who this is and how it fares.
pub(super) fn server_info(inspector: &Inspector, _: &Query) -> Answer {
    let xds = inspector.client();
    let applied = inspector.applied.borrow().clone();
    let uptime = format!("{}s", inspector.started.elapsed().as_secs());
    let options = &inspector.options;
    let info = json!({
        "version": concat!("ripstop/", env!("CARGO_PKG_VERSION")),
        "state": state(inspector).as_str(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": {
            "concurrency": inspector.registry.workers(),
            "config_path": options.config_path,
            "log_level": options.log_level,
            "service_cluster": inspector.node.cluster,
            "service_node": inspector.node.id,
            "drain_time": format!("{}s", options.drain_time.as_secs()),
            "mode": "Serve",
            "disable_hot_restart": true,
        },
        "node": { "id": inspector.node.id, "cluster": inspector.node.cluster },
        "concurrency": inspector.registry.workers(),
        "control_plane": inspector.xds.as_ref().map(|_| json!({
            "connected": xds.connected,
            "streams": xds.streams,
            "accepted": xds.accepted,
            "rejected": xds.rejected,
            "last_error": xds.last_error,
        })),
        "generation": applied.generation.id,
        "problems": applied.problems,
        "warnings": xds.warnings,
    });
    json(StatusCode::OK, format!("{info:#}\n"))
}

/// What is waited for before traffic is taken.
pub(super) fn init_dump(inspector: &Inspector, _: &Query) -> Answer {
    let missing = inspector.ready.missing();
    let page = match missing.is_empty() || inspector.is_draining() {
        true => json!({}),
        false => json!({ "unready_targets_dumps": [{ "name": "server", "target_names": missing }] }),
    };
    json(StatusCode::OK, format!("{page:#}\n"))
}
