//! The admin pages of a proxy, by Envoy's names and with Envoy's answers.

pub mod breakers;
mod certs;
pub mod clusters;
pub mod commands;
pub mod config_dump;
mod endpoint_metrics;
mod index;
mod listeners;
mod memory;
mod outliers;
pub mod probe;
mod process;
pub mod runtime;
mod state;
pub mod stats;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use http::StatusCode;
use ripstop_identity::agent::AgentStatus;
use ripstop_identity::svid::IdentityHandle;
use ripstop_model::Node;
use ripstop_runtime::admin::{Answer, Pages, Param, Query, text};
use ripstop_runtime::ready::Readiness;
use ripstop_runtime::shutdown::Shutdown;
use ripstop_xds::client::{ClientReport, ClientStatus};
use tokio::sync::watch;

use self::commands::Commands;

use crate::apply::Applied;
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
    /// What has come from a control plane or from files.
    pub updates: Arc<ClientStatus>,
    /// What is set by name.
    pub runtime: Arc<RuntimeLayers>,
    /// Access log lines that were lost.
    pub lost_log_lines: Arc<AtomicU64>,
    /// TLS contexts.
    pub tls: TlsContexts,
    /// Ends the process.
    pub shutdown: Shutdown,
    /// What it was started with.
    pub options: Options,
    /// Where what is asked for goes.
    pub commands: Commands,
}

/// What only a proxy with a control plane has.
pub struct Mesh {
    /// Certificate and roots.
    pub identity: IdentityHandle,
    /// How renewing the certificate goes.
    pub agent: watch::Receiver<AgentStatus>,
}

impl Inspector {
    /// Whether the process ends, or was told to say so.
    fn is_draining(&self) -> bool {
        self.ready.missing().iter().any(|what| [DRAINING, HEALTH_CHECK_FAILED].contains(what))
    }

    /// How following the control plane goes; of a proxy that is alone, that it was never tried.
    fn client(&self) -> ClientReport {
        self.xds.as_ref().map(|status| status.report()).unwrap_or_default()
    }
}

/// What readiness waits for after `/healthcheck/fail`.
const HEALTH_CHECK_FAILED: &str = "healthcheck/ok";
/// What readiness waits for while the proxy is ending, so that nobody sends it anything new.
pub const DRAINING: &str = "end of draining (no new traffic)";

/// What the process was started with, as far as it is shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file it was started with; empty: none.
    pub config_path: String,
    /// What is logged.
    pub log_level: String,
    /// How long requests under way may take when the process ends.
    pub drain_time: Duration,
    /// The file that the address of the admin pages is written to.
    pub admin_address_path: Option<PathBuf>,
}

const FILTER: Param = ("filter", "Regular expression for the names that are shown");
const STATS: &[Param] = &[
    FILTER,
    ("usedonly", "Only what was ever counted"),
    ("format", "text, json or prometheus"),
    ("type", "All, Counters, Gauges or Histograms"),
    ("histogram_buckets", "cumulative, disjoint or summary"),
    ("endpoints", "The endpoints of every cluster as well"),
];
const DUMP: &[Param] = &[
    ("resource", "The list to dump, such as dynamic_listeners"),
    ("mask", "The fields to show, with commas between"),
    ("name_regex", "Only what has such a name"),
    ("include_eds", "With endpoints"),
];
const DRAIN: &[Param] = &[
    ("graceful", "Let connections finish"),
    ("inboundonly", "Only listeners for inbound traffic"),
    ("skip_exit", "With graceful: leave listeners in place afterwards"),
];
const BREAKERS: &[Param] = &[
    ("cluster", "Whose breakers"),
    ("endpoint", "Only that of this endpoint"),
    ("state", "open, closed, or auto: as outcomes say"),
];
const LOGGING: &[Param] = &[("level", "The level of everything"), ("paths", "name1:level1,name2:level2")];

/// All pages.
pub fn pages(inspector: Inspector) -> Pages {
    let inspector = Arc::new(inspector);
    let page = |show: fn(&Inspector, &Query) -> Answer| {
        let inspector = inspector.clone();
        move |query: &Query| show(&inspector, query)
    };
    let title = format!("proxy {} of {}", inspector.node.id, inspector.node.cluster);
    let pages = Pages::default()
        .get("/breakers", "circuit breakers", &[("format", "text or json")], page(breakers::show))
        .get("/certs", "print certs on machine", &[], page(certs::show))
        .get(
            "/clusters",
            "upstream cluster status",
            &[FILTER, ("format", "text or json")],
            page(clusters::show),
        )
        .get("/config_dump", "dump current configuration, without secrets", DUMP, page(config_dump::show))
        .get("/contention", "lock contention", &[], page(contention))
        .get("/hot_restart_version", "print the hot restart compatibility version", &[], page(hot_restart))
        .get("/init_dump", "what is waited for before traffic is taken", &[], page(state::init_dump))
        .get("/listeners", "print listener info", &[("format", "text or json")], page(listeners::show))
        .get("/memory", "print memory usage", &[], page(memory::show))
        .get(
            "/ready",
            "print server state, return 200 if LIVE, otherwise return 503",
            &[],
            page(state::ready),
        )
        .get("/runtime", "print runtime values", &[], page(runtime::show))
        .get("/server_info", "print server version and status", &[], page(state::server_info))
        .get("/stats", "print server stats", STATS, page(stats::plain))
        .get(
            "/stats/prometheus",
            "print server stats in prometheus format",
            &STATS[..2],
            page(stats::prometheus),
        )
        .post("/breakers/force", "force circuit breakers open or closed", BREAKERS, page(breakers::force))
        .post("/cpuprofiler", "there is none", &[("enable", "y or n")], page(commands::no_profiler))
        .post("/drain_listeners", "drain listeners", DRAIN, page(commands::drain_listeners))
        .post(
            "/healthcheck/fail",
            "cause the server to fail health checks",
            &[],
            page(commands::healthcheck_fail),
        )
        .post(
            "/healthcheck/ok",
            "cause the server to pass health checks",
            &[],
            page(commands::healthcheck_ok),
        )
        .post("/logging", "query and change logging levels", LOGGING, page(commands::logging))
        .post("/quitquitquit", "drain and exit the server", &[], page(commands::quit))
        .post("/reset_counters", "reset all counters to zero", &[], page(commands::reset_counters))
        .post(
            "/runtime_modify",
            "set values: key=value, an empty value takes one back",
            &[],
            page(runtime::modify),
        );
    index::with_index(pages, &title)
}

fn contention(_: &Inspector, _: &Query) -> Answer {
    text(StatusCode::OK, "Mutex contention tracing is not enabled.")
}

fn hot_restart(_: &Inspector, _: &Query) -> Answer {
    text(StatusCode::OK, "disabled")
}
