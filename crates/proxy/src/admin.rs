//! The admin pages of a proxy, by Envoy's names. They look; the only thing they can do is end the process.

pub mod certs;
pub mod clusters;
pub mod config_dump;
mod index;
pub mod runtime;
pub mod stats;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use http::StatusCode;
use ripstop_identity::agent::AgentStatus;
use ripstop_identity::svid::IdentityHandle;
use ripstop_model::Node;
use ripstop_runtime::admin::{Answer, Pages, Query, json, text};
use ripstop_runtime::ready::Readiness;
use ripstop_runtime::shutdown::Shutdown;
use ripstop_xds::client::{ClientReport, ClientStatus};
use serde_json::json;
use tokio::sync::watch;

use crate::apply::Applied;
use crate::listener::socket_key::sockets_of;
use crate::runtime_layers::RuntimeLayers;
use crate::stats::registry::Registry;
use crate::tls::TlsContexts;

/// What the pages look at.
pub struct Inspector {
    /// How the proxy introduces itself.
    pub node: Node,
    /// When it was started.
    pub started: Instant,
    /// What is in force.
    pub applied: watch::Receiver<Applied>,
    /// Counters.
    pub registry: Arc<Registry>,
    /// What is waited for.
    pub ready: Readiness,
    /// Its part in a mesh; `None` when it is alone.
    pub mesh: Option<Mesh>,
    /// How following a control plane goes; `None`: there is none.
    pub xds: Option<Arc<ClientStatus>>,
    /// What is set by name.
    pub runtime: Arc<RuntimeLayers>,
    /// Access log lines that were lost.
    pub lost_log_lines: Arc<AtomicU64>,
    /// TLS contexts.
    pub tls: TlsContexts,
    /// Ends the process.
    pub shutdown: Shutdown,
}

/// What only a proxy with a control plane has.
pub struct Mesh {
    /// Certificate and roots.
    pub identity: IdentityHandle,
    /// How renewing the certificate goes.
    pub agent: watch::Receiver<AgentStatus>,
}

impl Inspector {
    /// How following the control plane goes; of a proxy that is alone, that it was never tried.
    fn client(&self) -> ClientReport {
        self.xds.as_ref().map(|status| status.report()).unwrap_or_default()
    }
}

/// All pages.
pub fn pages(inspector: Inspector) -> Pages {
    let inspector = Arc::new(inspector);
    let page = |show: fn(&Inspector, &Query) -> Answer| {
        let inspector = inspector.clone();
        move |query: &Query| show(&inspector, query)
    };
    let title = format!("proxy {} of {}", inspector.node.id, inspector.node.cluster);
    let pages = Pages::default()
        .get("/ready", "LIVE when traffic is taken, else what is waited for", &[], page(ready))
        .get("/server_info", "who this proxy is and how it fares (JSON)", &[], page(server_info))
        .get("/stats", "counters; ?filter=TEXT keeps the names that hold it", &[], page(stats::plain))
        .get("/stats/prometheus", "counters for Prometheus", &[], page(stats::prometheus))
        .get("/clusters", "clusters and their endpoints; ?format=json", &[], page(clusters::show))
        .get("/listeners", "listeners and their addresses", &[], page(listeners))
        .get(
            "/config_dump",
            "the configuration in force, without secrets (JSON)",
            &[],
            page(config_dump::show),
        )
        .get("/certs", "the certificate and the roots in use (JSON)", &[], page(certs::show))
        .get("/runtime", "print runtime values", &[], page(runtime::show))
        .post(
            "/runtime_modify",
            "set runtime values: key=value, an empty value takes one back",
            &[],
            page(runtime::modify),
        )
        .post("/quitquitquit", "drains and ends the process", &[], page(quit));
    index::with_index(pages, &title)
}

fn ready(inspector: &Inspector, _: &Query) -> Answer {
    let missing = inspector.ready.missing();
    if missing.is_empty() {
        return text(StatusCode::OK, "LIVE\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("waiting for: {}\n", missing.join(", ")))
}

fn server_info(inspector: &Inspector, _: &Query) -> Answer {
    let xds = inspector.client();
    let applied = inspector.applied.borrow().clone();
    let state = if inspector.ready.missing().is_empty() { "LIVE" } else { "PRE_INITIALIZING" };
    let info = json!({
        "version": concat!("ripstop/", env!("CARGO_PKG_VERSION")),
        "state": state,
        "uptime_all_epochs": format!("{}s", inspector.started.elapsed().as_secs()),
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

fn listeners(inspector: &Inspector, _: &Query) -> Answer {
    let applied = inspector.applied.borrow().clone();
    let mut lines = String::new();
    for listener in applied.generation.listeners.values() {
        for (key, _) in sockets_of(&listener.config) {
            let actual = applied.bound.get(&key);
            let at = actual.map_or_else(|| format!("{} (not bound)", key.place), ToString::to_string);
            lines.push_str(&format!("{}::{at}\n", listener.config.name));
        }
    }
    text(StatusCode::OK, lines)
}

fn quit(inspector: &Inspector, _: &Query) -> Answer {
    inspector.shutdown.drain();
    text(StatusCode::OK, "OK\n")
}
