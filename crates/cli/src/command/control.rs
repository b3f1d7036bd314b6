//! `ripstop control`: the control plane in the foreground.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ripstop_control::role::Role;
use ripstop_control::serve::{self, ControlConfig};
use ripstop_model::TrustDomain;
use ripstop_runtime::shutdown::Shutdown;

use crate::failure::Failure;

/// Run the control plane: configuration, certificates and API for the proxies of a mesh
///
/// Reads the documents of the mesh, serves them as xDS v3 over gRPC, signs workload
/// certificates, and answers a JSON API. Watches the documents: an edit takes effect at
/// once, an invalid one is refused and the last good ones stay in force. Further documents
/// come by `ripstop apply`; every change is kept with its author. Normally started by
/// `ripstop up`.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ControlArgs {
    /// Documents of the mesh: YAML files, or directories of them
    #[arg(long, required = true, num_args = 1.., value_name = "FILE_OR_DIR")]
    config: Vec<PathBuf>,
    /// Directory for the authority's keys, the store of the configuration and its history, and
    /// the administrator's socket
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Where proxies connect, for instance 127.0.0.1:15012
    #[arg(long, value_name = "IP:PORT")]
    xds_listen: SocketAddr,
    /// Take proxies without certificates on the same port, such as a real Envoy or a gRPC
    /// library on this machine, and believe what they say of themselves; only on loopback
    #[arg(long)]
    xds_plaintext: bool,
    /// Where the JSON API listens (HTTP), for instance 127.0.0.1:15014
    #[arg(long, value_name = "IP:PORT")]
    api_listen: SocketAddr,
    /// Trust domain, if not the one that the Mesh document names
    #[arg(long, value_name = "DOMAIN", value_parser = TrustDomain::new)]
    trust_domain: Option<TrustDomain>,
    /// What connections from this machine may do at the API without a token: read, write or
    /// admin. Without this, nothing: tokens are made with `ripstop api-token create`
    #[arg(long, value_name = "ROLE", value_parser = role)]
    api_loopback: Option<Role>,
    /// What is logged to standard error: trace, debug, info, warn, error or off, or directives
    /// such as info,ripstop_xds=debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| "roles are read, write and admin".to_owned())
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: ControlArgs) -> Result<(), Failure> {
    ripstop_runtime::telemetry::start_log(&args.log_level).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    let config = ControlConfig {
        config: args.config,
        state_dir: args.state_dir,
        xds_listen: args.xds_listen,
        xds_plaintext: args.xds_plaintext,
        api_listen: args.api_listen,
        trust_domain: args.trust_domain,
        api_loopback: args.api_loopback,
    };
    runtime.block_on(async {
        let shutdown = Shutdown::default();
        tokio::select! {
            served = serve::run(config, shutdown.watch()) => served.map_err(Failure::new),
            followed = shutdown.follow_signals() => match followed {
                Ok(()) => Ok(()),
                Err(error) => Err(Failure::new(format_args!("cannot take Ctrl-C and SIGTERM over: {error}"))),
            },
        }
    })
}
