//! The control plane as a process: what it opens, in which order, and how it ends. What proxies are sent is
//! `push`'s business, what people are shown is `api`'s.
//!
//! The state directory has mode 0700 and belongs to one control plane at a time:
//!
//! ```text
//! STATE_DIR/control.lock      locked while a control plane runs; holds its process id
//! STATE_DIR/ca/               the authority: roots and issuers with their keys (0600); see ripstop-identity
//! STATE_DIR/trust-root.pem    the root certificates (0644), by which proxies know their control plane
//! STATE_DIR/store.redb         what is in force and how it came to be (0600)
//! STATE_DIR/control.sock      the administrator's door to the API (0600); gone when no control plane runs
//! STATE_DIR/xds.sock          where processes of the same user get configuration without a certificate (0600)
//! ```

mod bundle_endpoint;
mod certificates;
mod error;
mod federation;
mod follow;
mod grpc;
mod in_force;
mod secrets;
mod socket;
mod state_dir;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ripstop_identity::accept::Accepted;
use ripstop_identity::clock::Clock;
use ripstop_identity::tls::{ALPN_HTTP11, control_server_config, public_server_config};
use ripstop_identity::{accept, control_identity};
use ripstop_model::TrustDomain;
use ripstop_runtime::listen::listen;
use ripstop_runtime::ready::Readiness;
use ripstop_runtime::shutdown::ShutdownWatch;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;

use crate::api::{Api, ApiTokens, Door};
use crate::change::{Changes, Start};
use crate::push::Hub;
use crate::role::Role;
use crate::source;
use crate::store::Store;
use certificates::Certificates;
use socket::PrivateSocket;
use state_dir::StateDir;

pub use error::ControlError;
pub(crate) use in_force::{InForce, Pinned, Reloads};
pub(crate) use secrets::SecretMaker;

/// How long streams may take to end after draining has begun.
const DRAIN: Duration = Duration::from_secs(2);

/// What `/ready` waits for while the process ends.
const END: &str = "the next control plane: this one is ending";
/// What `/ready` waits for until proxies are answered.
const GRPC: &str = "the gRPC listener";

/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Documents of the mesh: files, or directories of them.
    pub config: Vec<PathBuf>,
    /// Keys, trust root and the administrator's socket.
    pub state_dir: PathBuf,
    /// Where proxies get configuration and certificates (gRPC over TLS). Port 0: any free one.
    pub xds_listen: SocketAddr,
    /// Takes proxies without TLS on the same port too, and believes what they say of themselves. For loopback alone.
    pub xds_plaintext: bool,
    /// Where the JSON API can be read (HTTP). Port 0: any free one.
    pub api_listen: SocketAddr,
    /// Takes the place of the trust domain in the Mesh document.
    pub trust_domain: Option<TrustDomain>,
    /// What connections from this machine may do at the API without a token; `None`: nothing.
    pub api_loopback: Option<Role>,
}

/// A control plane that has everything it needs and listens, but does not answer until it runs.
pub struct Control {
    config: Vec<PathBuf>,
    xds: (TcpListener, SocketAddr),
    plaintext: bool,
    xds_socket: PrivateSocket,
    api: (TcpListener, SocketAddr),
    bundle_endpoint: Option<TcpListener>,
    bundle_refresh: Duration,
    /// Where processes of this machine get certificates.
    unix: Option<PrivateSocket>,
    socket: PrivateSocket,
    certificates: Certificates,
    changes: Arc<Changes>,
    reloads: Arc<Reloads>,
    api_loopback: Option<Role>,
    // Last, so that the lock is given back when everything else is closed.
    state: StateDir,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("xds", &self.xds.1)
            .field("api", &self.api.1)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Runs a control plane until `shutdown`: [`Control::bind`] and [`Control::run`].
///
/// # Errors
/// It cannot start.
pub async fn run(config: ControlConfig, shutdown: ShutdownWatch) -> Result<(), ControlError> {
    Control::bind(config).await?.run(shutdown).await
}

impl Control {
    /// Loads the documents, opens the authority (or makes one), certifies itself and opens every socket.
    ///
    /// # Errors
    /// Documents have errors (all of them are told), the state directory is in use or unusable, or a socket cannot be
    /// opened.
    pub async fn bind(config: ControlConfig) -> Result<Control, ControlError> {
        if config.xds_plaintext && !config.xds_listen.ip().is_loopback() {
            return Err(ControlError::PlaintextBeyondLoopback(config.xds_listen));
        }
        let state = StateDir::open(&config.state_dir)?;
        let loaded = source::documents(&config.config);
        let store = Arc::new(Store::open(&state.store())?);
        let start = Start::open(store, loaded).map_err(ControlError::from_refusal)?;
        let mesh = start.world().mesh().clone();
        let pinned = Pinned::new(&mesh, config.trust_domain);
        let certificates = Certificates::open(&state, pinned.trust_domain(), &mesh, Clock::system()).await?;
        let xds = bound(config.xds_listen)?;
        let api = bound(config.api_listen)?;
        let bundle_endpoint = mesh.control.bundle_endpoint;
        let bundle_endpoint = bundle_endpoint.map(bound).transpose()?.map(|(listener, _)| listener);
        let socket = PrivateSocket::bind(state.control_socket())?;
        let xds_socket = PrivateSocket::bind(state.xds_socket())?;
        let reloads = Arc::new(Reloads::default());
        let changes = Arc::new(Changes::new(start, pinned, Arc::clone(&reloads))?);
        let (plaintext, api_loopback, config) = (config.xds_plaintext, config.api_loopback, config.config);
        let unix = mesh.certificates.unix_socket.clone();
        let unix = unix.map(PrivateSocket::bind_for_all).transpose()?;
        Ok(Control {
            config,
            xds,
            plaintext,
            xds_socket,
            api,
            bundle_endpoint,
            bundle_refresh: mesh.control.bundle_refresh,
            unix,
            socket,
            certificates,
            changes,
            reloads,
            api_loopback,
            state,
        })
    }

    /// Where proxies connect.
    pub fn xds_addr(&self) -> SocketAddr {
        self.xds.1
    }

    /// Where the API can be read.
    pub fn api_addr(&self) -> SocketAddr {
        self.api.1
    }

    /// Where the administrator asks.
    pub fn socket_path(&self) -> &std::path::Path {
        self.socket.path()
    }

    /// Serves until `shutdown`. Draining takes at most 2 s: nothing new is accepted, streams end, proxies go on with what
    /// they have.
    ///
    /// # Errors
    /// The documents cannot be watched, or TLS cannot be configured.
    pub async fn run(self, mut shutdown: ShutdownWatch) -> Result<(), ControlError> {
        let Control {
            config,
            xds,
            plaintext,
            xds_socket,
            api,
            bundle_endpoint,
            bundle_refresh,
            unix,
            socket,
            certificates,
            changes,
            reloads,
            api_loopback,
            state,
        } = self;
        let tls = control_server_config(certificates.identity())?;
        let ready = Readiness::waiting_for(&[GRPC]);
        let hub = Hub::with_secrets(changes.in_force(), certificates.secret_maker());
        let pushing = follow::push(changes.in_force(), hub.clone());
        log_start(&xds.1, &api.1, &changes.in_force().borrow(), certificates.authority());
        let _watching = follow::files(config, &changes)?;

        let mut tasks = JoinSet::new();
        let api_state = Arc::new(Api {
            in_force: changes.in_force(),
            api_tokens: Arc::new(ApiTokens::open(changes.store())?),
            loopback: api_loopback,
            changes: Arc::clone(&changes),
            hub: hub.clone(),
            authority: Arc::clone(certificates.authority()),
            followers: certificates.followers().clone(),
            tokens: Arc::clone(certificates.tokens()),
            issuance: certificates.issuance().stats(),
            identity: certificates.identity().clone(),
            reloads,
            ready: ready.clone(),
            clock: certificates.clock().clone(),
            started: SystemTime::now(),
        });
        let (socket_listener, socket_file) = socket.into_parts();
        let door = Door::Network(api.1);
        tasks.spawn(crate::api::serve(api.0, door, Arc::clone(&api_state), |peer| Some(*peer)));
        tasks.spawn(crate::api::serve(socket_listener, Door::Administrator, api_state, |_| None));
        let clock = certificates.clock().clone();
        let (issuing, trust) = certificates.services();
        let routes = Routes::new(ripstop_xds::server::ads_server(Arc::new(hub.clone())))
            .add_service(ripstop_xds::server::client_status_server(Arc::new(hub.clone())))
            .add_service(issuing)
            .add_service(trust)
            .prepare();
        if let Some(listener) = bundle_endpoint {
            let tls = public_server_config(certificates.identity(), &[ALPN_HTTP11])?;
            let announced = certificates.authority().announced();
            let incoming = accept::incoming(listener, tls);
            tasks.spawn(bundle_endpoint::serve(incoming, announced, bundle_refresh, clock.clone()));
        }
        tasks.spawn(certificates.keep());
        tasks.spawn(pushing);
        tasks.spawn(follow::give_memory_back(hub.clone()));

        let (xds_listener, xds_file) = xds_socket.into_parts();
        let (unix, unix_file) = unix.map(PrivateSocket::into_parts).unzip();
        let incoming = accept::incoming_with_plaintext(xds.0, Arc::clone(&tls), plaintext);
        let local: Pin<Box<dyn Stream<Item = Accepted> + Send>> = match unix {
            Some(listener) => Box::pin(accept::incoming_unix(listener, tls)),
            None => Box::pin(tokio_stream::pending()),
        };
        let incoming = incoming.merge(local);
        let mut grpc = grpc::Connections::new(routes, clock);
        ready.done(GRPC);
        grpc.accept_until(incoming, xds_listener, shutdown.clone().draining()).await;
        ready.wait(END);
        tracing::info!("ending: streams are closed, proxies go on with what they have");
        hub.close();
        grpc.close(DRAIN, shutdown.stopped()).await;
        tasks.shutdown().await;
        drop((socket_file, xds_file, unix_file));
        // Whoever takes the state directory next must be able to open the store.
        changes.store().close();
        drop(state);
        Ok(())
    }
}

fn bound(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ControlError> {
    let listener = listen(address)?;
    let address = listener.local_addr().map_err(|source| ControlError::Socket {
        action: "examine the socket on",
        path: address.to_string().into(),
        source,
    })?;
    Ok((listener, address))
}

fn log_start(
    xds: &SocketAddr,
    api: &SocketAddr,
    in_force: &InForce,
    authority: &ripstop_identity::authority::Authority,
) {
    if !api.ip().is_loopback() {
        tracing::warn!(%api, "the API is open to other machines, and tokens are sent to it in plaintext; put TLS in front of it");
    }
    for warning in &in_force.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(
        %xds,
        %api,
        trust_domain = %authority.trust_domain(),
        workloads = in_force.world.instances().count(),
        "control plane runs"
    );
}
