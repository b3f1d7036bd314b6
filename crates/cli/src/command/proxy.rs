//! `ripstop proxy`: one proxy in the foreground.

mod envoy_flags;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;
use ripstop_model::node::{NodeId, Role};
use ripstop_model::{Node, SpiffeId};
use ripstop_proxy::admin::Options;
use ripstop_proxy::config::{ControlPlane, ProxyConfig, StandaloneConfig};
use ripstop_runtime::shutdown::Shutdown;
use ripstop_yaml::Source;

use crate::command::validate::validate_source;
use crate::envoy_file;
use crate::failure::Failure;
use crate::terminal::print_error;
use envoy_flags::EnvoyFlags;

/// Worker threads of a sidecar for which nobody says how many: it shares its machine with its application.
const SIDECAR_WORKERS: usize = 2;

/// What is done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// Run on it.
    Serve,
    /// Check it.
    Validate,
}

/// Run one proxy: a sidecar beside an application, or a gateway at the edge
///
/// Gets everything it does from the control plane, and its certificate too: the key is
/// made in this process and never leaves it. SIGTERM drains. Normally started by
/// `ripstop up`.
///
/// With -c it runs alone on a file in the form of Envoy's bootstrap.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ProxyArgs {
    /// File in the form of Envoy's bootstrap, YAML or JSON; takes the place of a control plane
    #[arg(
        short = 'c',
        long,
        value_name = "FILE",
        group = "file",
        conflicts_with_all = ["identity", "control", "trust_root", "token_file", "admin"]
    )]
    config_path: Option<PathBuf>,
    /// Which proxy it is: role~ip~workload.namespace~dns-domain; the role is `sidecar` or `router`.
    /// With -c any text, in place of the node's id in the file
    #[arg(long, value_name = "ID", required_unless_present = "file")]
    service_node: Option<String>,
    /// Name of the service it stands for, in place of the node's cluster in the file
    #[arg(long, value_name = "NAME", requires = "file")]
    service_cluster: Option<String>,
    /// Identity to ask the authority for, for instance spiffe://cluster.local/ns/default/sa/users
    #[arg(long, value_name = "SPIFFE_ID", value_parser = SpiffeId::new, required_unless_present = "file")]
    identity: Option<SpiffeId>,
    /// Where the control plane serves xDS and certificates, for instance 127.0.0.1:15012
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "file")]
    control: Option<String>,
    /// PEM file with the certificates by which the control plane is known
    #[arg(long, value_name = "FILE", required_unless_present = "file")]
    trust_root: Option<PathBuf>,
    /// File with the join token that proves the identity
    #[arg(long, value_name = "FILE", required_unless_present = "file")]
    token_file: Option<PathBuf>,
    /// Where the administrator's pages are: /ready, /stats/prometheus, /clusters, /config_dump, /certs
    #[arg(long, value_name = "IP:PORT", required_unless_present = "file")]
    admin: Option<SocketAddr>,
    /// Where health probes of an orchestrator are answered in plaintext, whatever mode the traffic is in:
    /// /live and /ready, and nothing else
    #[arg(long, value_name = "IP:PORT", conflicts_with = "config_path")]
    probe: Option<SocketAddr>,
    /// Worker threads; by default one for each processor, for a sidecar at most two
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// What is logged to standard error: trace, debug, info, warn, error or off, or directives
    /// such as info,ripstop_xds=debug
    #[arg(short = 'l', long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// File that the log is appended to, in place of standard error
    #[arg(long, value_name = "FILE")]
    log_path: Option<PathBuf>,
    /// File that the address of the admin pages is written to, where the port is 0
    #[arg(long, value_name = "FILE", requires = "file")]
    admin_address_path: Option<PathBuf>,
    /// Text in the form of Envoy's bootstrap, in place of the file
    #[arg(
        long,
        value_name = "YAML",
        group = "file",
        conflicts_with_all = ["identity", "control", "trust_root", "token_file", "admin"]
    )]
    config_yaml: Option<String>,
    /// `validate` reads the file and starts nothing
    #[arg(long, value_enum, default_value_t = Mode::Serve, requires = "file")]
    mode: Mode,
    #[command(flatten)]
    envoy: EnvoyFlags,
    /// Seconds that requests may take to finish after SIGTERM
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    drain_time_s: u64,
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: ProxyArgs) -> Result<(), Failure> {
    let log_path = args.log_path.as_deref();
    ripstop_runtime::telemetry::start_log_to(&args.log_level, log_path).map_err(Failure::new)?;
    for warning in args.envoy.warnings() {
        print_error(&warning);
    }
    let file = args.file()?;
    if let (Mode::Validate, Some(source)) = (args.mode, &file) {
        return validate_source(source);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    let shutdown = Shutdown::default();
    let ended = match &file {
        Some(source) => {
            let config = alone(source, &args)?;
            runtime.block_on(ripstop_proxy::app::run_standalone(config, shutdown))
        }
        None => runtime.block_on(ripstop_proxy::app::run(in_mesh(args)?, shutdown)),
    };
    ended.map_err(Failure::new)
}

impl ProxyArgs {
    /// The file, or the text in its place.
    fn file(&self) -> Result<Option<Source>, Failure> {
        match (&self.config_path, &self.config_yaml) {
            (Some(path), _) => envoy_file::read(path).map(Some),
            (None, Some(text)) => Ok(Some(Source::new("--config-yaml", text.as_str()))),
            (None, None) => Ok(None),
        }
    }
}

fn alone(source: &Source, args: &ProxyArgs) -> Result<StandaloneConfig, Failure> {
    let bootstrap = envoy_file::load(source)?.bootstrap;
    let node = bootstrap.node;
    Ok(StandaloneConfig {
        node: Node {
            id: args.service_node.clone().unwrap_or(node.id),
            cluster: args.service_cluster.clone().unwrap_or(node.cluster),
            user_agent: user_agent(),
            ..node
        },
        snapshot: bootstrap.snapshot,
        dynamic: bootstrap.dynamic,
        introduction: bootstrap.introduction,
        runtime: bootstrap.runtime,
        local: bootstrap.local,
        admin: bootstrap.admin,
        admin_paths: bootstrap.admin_paths,
        concurrency: args.concurrency.map_or_else(processors, usize::from),
        drain_time: Duration::from_secs(args.drain_time_s),
        options: Options {
            config_path: args.config_path.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            log_level: args.log_level.clone(),
            drain_time: Duration::from_secs(args.drain_time_s),
            admin_address_path: args.admin_address_path.clone(),
        },
    })
}

fn in_mesh(args: ProxyArgs) -> Result<ProxyConfig, Failure> {
    let needed =
        (args.service_node, args.identity, args.control, args.trust_root, args.token_file, args.admin);
    let (Some(id), Some(identity), Some(address), Some(trust_root), Some(token_file), Some(admin)) = needed
    else {
        return Err(Failure::new("without -c, a control plane and an identity are needed"));
    };
    let id: NodeId = id.parse().map_err(Failure::new)?;
    let workers = match id.role {
        Role::Sidecar => processors().min(SIDECAR_WORKERS),
        Role::Gateway => processors(),
    };
    Ok(ProxyConfig {
        node: Node {
            id: id.to_string(),
            cluster: format!("{}.{}", id.workload, id.namespace),
            metadata: BTreeMap::from([("NAMESPACE".to_owned(), id.namespace.to_string())]),
            user_agent: user_agent(),
            ..Node::default()
        },
        control: ControlPlane {
            address,
            identity,
            trust_root,
            token_file: Some(token_file),
            // The authority knows how long certificates live in this mesh.
            certificate_lifetime: Duration::ZERO,
        },
        admin,
        probe: args.probe,
        concurrency: args.concurrency.map_or(workers, usize::from),
        drain_time: Duration::from_secs(args.drain_time_s),
    })
}

fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

fn user_agent() -> String {
    format!("ripstop/{}", env!("CARGO_PKG_VERSION"))
}
