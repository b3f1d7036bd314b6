//! Starts a proxy and sees it to its end: the control thread, on which everything but requests runs.
//!
//! ```text
//! control thread: certificates ─▶ xDS ─▶ DNS ─▶ apply (compile, bind) ─▶ workers      admin pages   sweep (ejections)
//!                 or a file ─────────▶
//! worker threads: accept ─▶ requests
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_identity::agent::{Agent, AgentStatus, Confirm, RemoteAuthority, SvidSource, TokenSource};
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::channel;
use ripstop_identity::clock::Clock;
use ripstop_identity::control_identity;
use ripstop_identity::rotation::Alarm;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{Present, control_client_config};
use ripstop_model::address::BindAddress;
use ripstop_model::matcher::StringMatch;
use ripstop_model::{Address, Node, Snapshot};
use ripstop_policy::route::text::TextMatcher;
use ripstop_runtime::admin;
use ripstop_runtime::listen::{self, Listener};
use ripstop_runtime::memory;
use ripstop_runtime::panic::exit_on_panic;
use ripstop_runtime::ready::Readiness;
use ripstop_runtime::shutdown::{Shutdown, ShutdownWatch};
use ripstop_runtime::watch::FileWatch;
use ripstop_xds::client::{
    self, ClientStatus, Ends, Following, Introduction, Link, Protocol, WantedFiles, WantedSecrets,
};
use ripstop_xds::decode::WorkloadSecrets;
use tokio::sync::{Notify, mpsc, watch};

use crate::admin::commands::{Command, MAX_COMMANDS};
use crate::admin::{DRAINING, Inspector, Mesh, Options, pages, probe};
use crate::apply::Applier;
use crate::config::{ControlPlane, ProxyConfig, StandaloneConfig};
use crate::dns;
use crate::listener::socket_key::listen_at;
use crate::runtime_layers::RuntimeLayers;
use crate::sources::SourceError;
use crate::sources::ads;
use crate::sources::files::follow_files;
use crate::sources::secrets::follow_secrets;
use crate::stats::registry::Registry;
use crate::sweep::sweep_for_ever;
use crate::tls::TlsContexts;
use crate::worker::thread::WorkerThread;

/// What readiness waits for.
const CERTIFICATE: &str = "certificate";
/// See [`CERTIFICATE`].
const CONFIGURATION: &str = "configuration";

/// What files say, waiting to be taken.
const FILE_UPDATES: usize = 16;

/// How often draining looks whether the last connection is gone.
const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// How long after a configuration no other has followed, so that what only starting or a change needs can go.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Why a proxy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file with the roots cannot be used.
    #[error("cannot read the trust root {path}: {why}")]
    TrustRoot {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// The control plane's address or identity is of no use.
    #[error("control plane {address}: {why}")]
    ControlPlane {
        /// Its address.
        address: String,
        /// Why.
        why: String,
    },
    /// The admin pages cannot be served.
    #[error("admin pages: {0}")]
    Admin(#[from] listen::BindError),
    /// Where the admin pages are cannot be told.
    #[error("--admin-address-path: cannot write {path}: {source}")]
    AdminAddress {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A path that is allowed is no expression.
    #[error("admin.allow_paths: {0}")]
    AdminPaths(String),
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(std::io::Error),
    /// The control plane that a file names cannot be followed.
    #[error("dynamic_resources.ads_config: {0}")]
    Ads(#[from] SourceError),
    /// The socket for secrets cannot be opened.
    #[error("cannot listen on {path}: {source}")]
    Socket {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be followed.
    #[error("cannot follow signals: {0}")]
    Signals(std::io::Error),
}

/// Runs a proxy on the current thread until it is told to end. `shutdown` is moved forward by signals and by the admin
/// page `/quitquitquit`. A panic anywhere ends the process.
pub async fn run(config: ProxyConfig, shutdown: Shutdown) -> Result<(), StartError> {
    let started = Instant::now();
    let (identity, roots) = trust(&config.control)?;
    let agent = agent_of(&config.control, &identity, config.node.id.clone(), roots, None)?;
    let agent_status = agent.status();
    let channel = control_channel(&config.control, &identity)?;
    let xds_status = Arc::new(ClientStatus::default());
    let mesh = Mesh { identity: identity.clone(), agent: agent_status.clone() };
    let parts = Parts {
        node: config.node.clone(),
        admin: Some(Address::Socket(config.admin).into()),
        admin_paths: Vec::new(),
        concurrency: config.concurrency,
        ready: Readiness::waiting_for(&[CERTIFICATE, CONFIGURATION]),
        mesh: Some(mesh),
        xds: Some(xds_status.clone()),
        updates: xds_status.clone(),
        options: Options { drain_time: config.drain_time, ..Options::default() },
        runtime: Arc::new(RuntimeLayers::new(Vec::new(), "")),
        tls: TlsContexts::new(Some(identity.clone())),
    };
    let ready = parts.ready.clone();
    let runtime = parts.runtime.clone();
    let (applier, asked) = start(parts, started, &shutdown)?;
    if let Some(socket) = config.probe.map(listen::listen).transpose()?.map(Listener::Tcp) {
        tokio::spawn(admin::serve(socket, Arc::new(probe::pages(ready.clone())), shutdown.watch()));
    }
    tokio::spawn(agent.run(stopped(shutdown.watch())));
    tokio::spawn(warn_of_expiry(agent_status));

    let (snapshots, incoming) = watch::channel(None);
    let ends = Ends { trial: Box::new(applier.workshop()), ..Ends::of_ads(snapshots, xds_status) };
    tokio::spawn(follow_control(identity, channel, config.node, ends, ready.clone(), shutdown.watch()));
    serve(applier, resolved(incoming), runtime, asked, ready, config.drain_time, shutdown.watch()).await;
    Ok(())
}

/// Runs a proxy that was started with a file and has no identity. Otherwise like [`run`].
pub async fn run_standalone(config: StandaloneConfig, shutdown: Shutdown) -> Result<(), StartError> {
    let runtime = Arc::new(RuntimeLayers::new(config.runtime, &config.node.cluster));
    let introduction = config.introduction.named(&config.node);
    let tls = TlsContexts::new(None);
    tls.lock().replace_secrets(&config.snapshot.secrets);
    let ads = config.dynamic.ads.as_ref();
    let link =
        ads.map(|source| ads::link(source, introduction.clone(), &config.snapshot, &tls)).transpose()?;
    let status = Arc::new(ClientStatus::default());
    let parts = Parts {
        node: config.node,
        admin: config.admin,
        admin_paths: config.admin_paths,
        concurrency: config.concurrency,
        ready: Readiness::waiting_for(&[CONFIGURATION]),
        mesh: None,
        xds: link.as_ref().map(|_| status.clone()),
        updates: status.clone(),
        options: config.options,
        runtime: runtime.clone(),
        tls: tls.clone(),
    };
    let ready = parts.ready.clone();
    let (mut applier, asked) = start(parts, Instant::now(), &shutdown)?;
    applier.set_local(config.local);
    tokio::spawn(follow_values(runtime.clone()));

    let fixed = Arc::new(config.snapshot);
    let following = Following {
        fixed: fixed.clone(),
        listeners: config.dynamic.listeners,
        clusters: config.dynamic.clusters,
        runtime: runtime.sent_layers().collect(),
        workload: WorkloadSecrets::Sent,
    };
    let (snapshots, incoming) = watch::channel(None);
    let (files, wanted_files) = watch::channel(WantedFiles::new());
    let (secrets, wanted_secrets) = watch::channel(WantedSecrets::new());
    let (said, updates) = mpsc::channel(FILE_UPDATES);
    let trial = Box::new(applier.workshop());
    let ends = Ends { snapshots, files, secrets, updates, status, trial };
    tokio::spawn(follow_files(wanted_files, said.clone()));
    tokio::spawn(follow_secrets(wanted_secrets, fixed, introduction, tls, said));
    tokio::spawn(client::run(following, link, ends, stopped(shutdown.watch())));
    serve(applier, resolved(incoming), runtime, asked, ready, config.drain_time, shutdown.watch()).await;
    Ok(())
}

/// Reads the values in files again whenever their directories are replaced.
async fn follow_values(runtime: Arc<RuntimeLayers>) {
    let mut watch = FileWatch::default();
    watch.set(runtime.directories().map(Path::to_owned));
    loop {
        watch.changed().await;
        runtime.reload();
    }
}

/// What every proxy is made of, however it is configured.
struct Parts {
    node: Node,
    admin: Option<BindAddress>,
    admin_paths: Vec<StringMatch>,
    concurrency: usize,
    ready: Readiness,
    mesh: Option<Mesh>,
    xds: Option<Arc<ClientStatus>>,
    updates: Arc<ClientStatus>,
    options: Options,
    runtime: Arc<RuntimeLayers>,
    tls: TlsContexts,
}

/// Starts the workers and what watches over them. Nothing is in force yet.
fn start(
    parts: Parts,
    started: Instant,
    shutdown: &Shutdown,
) -> Result<(Applier, mpsc::Receiver<Command>), StartError> {
    let (commands, asked) = mpsc::channel(MAX_COMMANDS);
    exit_on_panic();
    let admin_socket = parts.admin.map(|bind| listen::listen_alone(&listen_at(&bind))).transpose()?;
    if let (Some(path), Some(socket)) = (&parts.options.admin_address_path, &admin_socket) {
        tell_address(path, socket)?;
    }
    let allowed = allowed_paths(&parts.admin_paths)?;
    let workers = start_workers(parts.concurrency.max(1), parts.options.drain_time)?;
    let registry = Arc::new(Registry::new(workers.len()));
    let (applier, applied) = Applier::new(registry.clone(), parts.tls, workers);
    let applier = applier.of_node(parts.node.id.clone());
    let (lost_log_lines, reopen, tls) = {
        let workshop = applier.workshop();
        let compiler = workshop.compiler();
        (compiler.dropped_log_lines(), compiler.reopen_access_logs(), compiler.tls())
    };
    tokio::spawn(tls.clone().refresh_for_ever());
    if let Some(socket) = admin_socket {
        let inspector = Inspector {
            node: parts.node,
            started,
            applied: applied.clone(),
            registry,
            ready: parts.ready,
            mesh: parts.mesh,
            xds: parts.xds,
            updates: parts.updates,
            runtime: parts.runtime,
            options: parts.options,
            commands,
            lost_log_lines,
            tls,
            shutdown: shutdown.clone(),
        };
        let pages = pages(inspector).restricted(allowed);
        tokio::spawn(admin::serve(socket, Arc::new(pages), shutdown.watch()));
    }
    tokio::spawn(reopen.follow_signal());
    tokio::spawn(follow_signals(shutdown.clone()));
    tokio::spawn(sweep_for_ever(applied));
    Ok((applier, asked))
}

/// Writes where the admin pages are to a file, for whoever has left the port to the kernel.
fn tell_address(path: &Path, socket: &Listener) -> Result<(), StartError> {
    let Some(address) = socket.local_address() else { return Ok(()) };
    let failed = |source| StartError::AdminAddress { path: path.display().to_string(), source };
    fs::write(path, address.to_string()).map_err(failed)
}

/// Says which paths are answered.
fn allowed_paths(only: &[StringMatch]) -> Result<impl Fn(&str) -> bool + Send + Sync + 'static, StartError> {
    let only = only.iter().map(TextMatcher::compile).collect::<Result<Vec<_>, _>>();
    let only = only.map_err(|error| StartError::AdminPaths(error.to_string()))?;
    Ok(move |path: &str| only.is_empty() || only.iter().any(|matcher| matcher.matches(path.as_bytes())))
}

/// The same snapshots with the addresses of the names in them.
fn resolved(incoming: watch::Receiver<dns::Latest>) -> watch::Receiver<dns::Latest> {
    let (outgoing, snapshots) = watch::channel(None);
    tokio::spawn(dns::resolve(incoming, outgoing));
    snapshots
}

/// The identity to be, and the text of the roots that it trusts at first.
pub(crate) fn trust(control: &ControlPlane) -> Result<(IdentityHandle, String), StartError> {
    let path = control.trust_root.display().to_string();
    let error = |why: String| StartError::TrustRoot { path: path.clone(), why };
    let pem = fs::read_to_string(&control.trust_root).map_err(|e| error(e.to_string()))?;
    let bundle = TrustBundle::from_pem(control.identity.trust_domain().clone(), &pem);
    Ok((IdentityHandle::new(bundle.map_err(|e| error(e.to_string()))?), pem))
}

/// Keeps `identity` supplied. `confirm` says when new roots have been taken, where that is not at once.
pub(crate) fn agent_of(
    control: &ControlPlane,
    identity: &IdentityHandle,
    instance: String,
    roots: String,
    confirm: Option<Confirm>,
) -> Result<Agent, StartError> {
    let authority = control_identity(control.identity.trust_domain())
        .map_err(|e| StartError::ControlPlane { address: control.address.clone(), why: e.to_string() })?;
    let token = match &control.token_file {
        Some(path) => TokenSource::File(path.clone()),
        None => TokenSource::None,
    };
    let remote =
        RemoteAuthority::new(control.address.clone(), authority, control.certificate_lifetime, token)
            .named(instance)
            .with_trust_root(control.trust_root.clone(), roots);
    let remote = match confirm {
        Some(confirm) => remote.confirming(confirm),
        None => remote,
    };
    let source = SvidSource::Remote(remote);
    Ok(Agent::new(control.identity.clone(), source, identity.clone(), Clock::system(), fastrand::Rng::new()))
}

fn control_channel(
    control: &ControlPlane,
    identity: &IdentityHandle,
) -> Result<tonic::transport::Channel, StartError> {
    let error = |why: String| StartError::ControlPlane { address: control.address.clone(), why };
    let id = control_identity(control.identity.trust_domain()).map_err(|e| error(e.to_string()))?;
    let tls = control_client_config(identity, id, Present::CurrentSvid).map_err(|e| error(e.to_string()))?;
    channel::connect(&control.address, tls).map_err(|e| error(e.to_string()))
}

fn start_workers(count: usize, drain_time: Duration) -> Result<Vec<WorkerThread>, StartError> {
    let mut dice = fastrand::Rng::new();
    let starvation = Arc::new(Notify::new());
    let start = |id| WorkerThread::start(id, dice.u64(..), starvation.clone(), drain_time);
    (0..count).map(start).collect::<Result<_, _>>().map_err(StartError::Thread)
}

/// Waits for the certificate, without which the control plane tells nothing, then follows the control plane.
async fn follow_control(
    identity: IdentityHandle,
    channel: tonic::transport::Channel,
    node: Node,
    ends: Ends,
    ready: Readiness,
    shutdown: ShutdownWatch,
) {
    identity.ready().await;
    ready.done(CERTIFICATE);
    let link = Link::new(channel, Protocol::Delta, Introduction::from(&node));
    client::run(Following::ads_alone(), Some(link), ends, stopped(shutdown)).await;
}

/// Applies snapshots as they come; when the end is announced, drains.
async fn serve(
    mut applier: Applier,
    mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    runtime: Arc<RuntimeLayers>,
    mut asked: mpsc::Receiver<Command>,
    ready: Readiness,
    drain_time: Duration,
    mut shutdown: ShutdownWatch,
) {
    let mut values = runtime.watch();
    let mut retry = tokio::time::interval(Applier::RETRY_INTERVAL);
    applier.set_runtime(values.borrow_and_update().clone()).await;
    retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut settles: Option<Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.draining() => break,
            () = tokio::time::sleep_until(settles.unwrap_or_else(Instant::now).into()), if settles.is_some() => {
                settles = None;
                memory::give_back();
                memory::leave_program_pages();
            }
            changed = snapshots.changed() => {
                if changed.is_err() {
                    break;
                }
                let snapshot = snapshots.borrow_and_update().clone();
                if let Some(snapshot) = snapshot {
                    // What is compiled is compiled with the values that came with it.
                    runtime.take_sent(&snapshot.runtime);
                    if values.has_changed().is_ok_and(|changed| changed) {
                        let values = values.borrow_and_update().clone();
                        applier.set_runtime(values).await;
                    }
                    applier.apply(snapshot).await;
                    settles = Some(Instant::now() + SETTLED_AFTER);
                }
            }
            Ok(()) = values.changed() => {
                let values = values.borrow_and_update().clone();
                applier.set_runtime(values).await;
            }
            Some(command) = asked.recv() => match command {
                Command::DrainListeners { inbound_only } => applier.close_listeners(inbound_only).await,
                Command::ResetCounters => applier.reset_counters().await,
            },
            () = applier.warmed(), if applier.is_warming() => applier.put_in_force().await,
            () = applier.left() => applier.refresh().await,
            _ = retry.tick(), if applier.has_unbound() => applier.retry().await,
        }
        if applier.has_configuration() && !applier.has_unbound() {
            ready.done(CONFIGURATION);
        }
    }
    ready.wait(DRAINING);
    tracing::info!("draining");
    let drained = async {
        applier.drain().await;
        while applier.connections().await > 0 {
            tokio::time::sleep(DRAIN_CHECK).await;
        }
    };
    tokio::select! {
        () = drained => tracing::info!("drained"),
        () = tokio::time::sleep(drain_time) => tracing::warn!("closing the connections that are left after the drain time"),
        () = shutdown.stopped() => {}
    }
    applier.stop();
}

async fn follow_signals(shutdown: Shutdown) {
    if let Err(error) = shutdown.follow_signals().await {
        tracing::error!(%error, "cannot follow signals");
    }
}

async fn stopped(mut shutdown: ShutdownWatch) {
    shutdown.stopped().await;
}

/// Says so in the log, once a change, when the certificate comes near its end or renewing it fails.
async fn warn_of_expiry(mut status: watch::Receiver<AgentStatus>) {
    let mut said = 0;
    let mut alarm = Alarm::Ok;
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        // Before the first certificate there is nothing to expire.
        if now.issued > 0 && now.alarm != alarm {
            alarm = now.alarm;
            match alarm {
                Alarm::Ok => tracing::info!("the certificate is in time again"),
                Alarm::Warn => tracing::error!(
                    connected = now.connected,
                    "ALARM: the certificate is past half of its life and may not be renewed in time: see to the control plane"
                ),
                Alarm::Expired => tracing::error!(
                    "ALARM: the certificate has expired: peers refuse this proxy until it has another one"
                ),
            }
        }
        if now.failures > said {
            let error = now.last_error.unwrap_or_default();
            tracing::warn!(failures = now.failures, alarm = ?now.alarm, error, "cannot renew the certificate");
        }
        said = now.failures;
    }
}
