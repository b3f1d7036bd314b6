//! `ripstop agent`: the identity of one workload for a proxy that is not ours.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ripstop_model::SpiffeId;
use ripstop_proxy::config::ControlPlane;
use ripstop_proxy::sds_agent::{self, SdsAgentConfig};
use ripstop_runtime::shutdown::Shutdown;

use crate::failure::Failure;

/// Keep the identity of a workload, and hand it to a proxy such as Envoy by SDS
///
/// Gets and renews the certificate as `ripstop proxy` does, and serves it on a Unix socket
/// as the secrets `default` (certificate and key) and `ROOTCA` (roots). Only processes of
/// the users that are named, by default of the agent's own, are answered.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct AgentArgs {
    /// Identity to ask the authority for, for instance spiffe://cluster.local/ns/default/sa/users
    #[arg(long, value_name = "SPIFFE_ID", value_parser = SpiffeId::new)]
    identity: SpiffeId,
    /// Where the control plane serves certificates, for instance 127.0.0.1:15012
    #[arg(long, value_name = "HOST:PORT")]
    control: String,
    /// PEM file with the certificates by which the control plane is known
    #[arg(long, value_name = "FILE")]
    trust_root: PathBuf,
    /// File with the join token that proves the identity
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Unix socket on which secrets are served
    #[arg(long, value_name = "PATH")]
    sds_socket: PathBuf,
    /// User whose processes may have the secrets, by number; may be repeated
    #[arg(long, value_name = "UID")]
    allow_uid: Vec<u32>,
    /// What it calls itself in `ripstop cert status`
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What is logged to standard error: trace, debug, info, warn, error or off, or directives
    #[arg(short = 'l', long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: AgentArgs) -> Result<(), Failure> {
    ripstop_runtime::telemetry::start_log(&args.log_level).map_err(Failure::new)?;
    let instance =
        args.name.unwrap_or_else(|| format!("agent~{}~{}", std::process::id(), args.sds_socket.display()));
    let config = SdsAgentConfig {
        instance,
        control: ControlPlane {
            address: args.control,
            identity: args.identity,
            trust_root: args.trust_root,
            token_file: args.token_file,
            certificate_lifetime: Duration::ZERO,
        },
        socket: args.sds_socket,
        users: args.allow_uid.into_iter().collect(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    runtime.block_on(sds_agent::run(config, Shutdown::default())).map_err(Failure::new)
}
