//! `ripstop proxy`: one proxy in the foreground.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;
use ripstop_model::node::{NodeId, Role};
use ripstop_model::{Node, SpiffeId};
use ripstop_proxy::config::{ControlPlane, ProxyConfig};
use ripstop_runtime::shutdown::Shutdown;

use crate::failure::Failure;

/// Worker threads of a sidecar for which nobody says how many: it shares its machine with its application.
const SIDECAR_WORKERS: usize = 2;

/// Run one proxy: a sidecar beside an application, or a gateway at the edge
///
/// Gets everything it does from the control plane, and its certificate too: the key is
/// made in this process and never leaves it. SIGTERM drains. Normally started by
/// `ripstop up`.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ProxyArgs {
    /// Which proxy it is: role~ip~workload.namespace~dns-domain; the role is `sidecar` or `router`
    #[arg(long, value_name = "ID")]
    service_node: NodeId,
    /// Identity to ask the authority for, for instance spiffe://cluster.local/ns/default/sa/users
    #[arg(long, value_name = "SPIFFE_ID", value_parser = SpiffeId::new)]
    identity: SpiffeId,
    /// Where the control plane serves xDS and certificates, for instance 127.0.0.1:15012
    #[arg(long, value_name = "HOST:PORT")]
    control: String,
    /// PEM file with the certificates by which the control plane is known
    #[arg(long, value_name = "FILE")]
    trust_root: PathBuf,
    /// File with the join token that proves the identity
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Where the administrator's pages are: /ready, /stats/prometheus, /clusters, /config_dump, /certs
    #[arg(long, value_name = "IP:PORT")]
    admin: SocketAddr,
    /// Worker threads; by default one for each processor, for a sidecar at most two
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// What is logged to standard error: trace, debug, info, warn, error or off
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// Seconds that requests may take to finish after SIGTERM
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    drain_time_s: u64,
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: ProxyArgs) -> Result<(), Failure> {
    ripstop_runtime::telemetry::start_log(&args.log_level).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    runtime.block_on(ripstop_proxy::app::run(config(args), Shutdown::default())).map_err(Failure::new)
}

fn config(args: ProxyArgs) -> ProxyConfig {
    let id = args.service_node;
    let processors = available_parallelism().map_or(1, NonZero::get);
    let workers = match id.role {
        Role::Sidecar => processors.min(SIDECAR_WORKERS),
        Role::Gateway => processors,
    };
    ProxyConfig {
        node: Node {
            id: id.to_string(),
            cluster: format!("{}.{}", id.workload, id.namespace),
            metadata: BTreeMap::from([("NAMESPACE".to_owned(), id.namespace.to_string())]),
            user_agent: format!("ripstop/{}", env!("CARGO_PKG_VERSION")),
        },
        control: ControlPlane {
            address: args.control,
            identity: args.identity,
            trust_root: args.trust_root,
            token_file: Some(args.token_file),
            // The authority knows how long certificates live in this mesh.
            certificate_lifetime: Duration::ZERO,
        },
        admin: args.admin,
        concurrency: args.concurrency.map_or(workers, usize::from),
        drain_time: Duration::from_secs(args.drain_time_s),
    }
}
