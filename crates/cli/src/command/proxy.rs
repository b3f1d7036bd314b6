//! `ripstop proxy`: one proxy in the foreground.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ripstop_model::node::NodeId;

use crate::failure::Failure;

/// Run one proxy: a sidecar beside an application, or a gateway at the edge
///
/// Gets everything it does from the control plane, and its certificate too: the key is made in this process and never leaves
/// it. SIGTERM drains. Normally started by `ripstop up`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Who it is: role~ip~workload.namespace~dns-domain, with the role `sidecar` or `router`
    #[arg(long, value_name = "ID")]
    service_node: NodeId,
    /// Where the control plane serves xDS
    #[arg(long, value_name = "IP:PORT")]
    control: SocketAddr,
    /// PEM file with the certificates by which the control plane is known
    #[arg(long, value_name = "FILE")]
    trust_root: PathBuf,
    /// File with the join token of this workload
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Where the administrator's pages are: /ready, /stats/prometheus, /clusters, /config_dump, /certs
    #[arg(long, value_name = "IP:PORT")]
    admin: SocketAddr,
    /// Worker threads, each with connections of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    concurrency: Option<u32>,
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
    let drain_time = Duration::from_secs(args.drain_time_s);
    Err(Failure::new(format_args!("{args:?} {drain_time:?}")))
}
