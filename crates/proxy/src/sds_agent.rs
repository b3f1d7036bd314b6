//! An agent without a data plane: it keeps the identity of one workload and hands it by SDS, over a Unix socket, to a proxy that
//! is not ours. New roots count as taken when that proxy has taken them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::agent::Confirm;
use ripstop_identity::secrets;
use ripstop_identity::svid::IdentityHandle;
use ripstop_model::tls::CertificateSource;
use ripstop_runtime::shutdown::Shutdown;
use ripstop_xds::server::{EncodedSecrets, SecretAcks, serve_secrets};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::app::{StartError, agent_of, trust};
use crate::config::ControlPlane;

/// Connections that wait to be served.
const BACKLOG: usize = 16;
/// Pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether everybody has taken new roots.
const ACK_CHECK: Duration = Duration::from_millis(50);

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct SdsAgentConfig {
    /// What it calls itself.
    pub instance: String,
    /// The control plane, and the identity to ask it for.
    pub control: ControlPlane,
    /// Where the proxy connects.
    pub socket: PathBuf,
    /// Users whose processes may connect, by number; empty: the agent's own user alone.
    pub users: BTreeSet<u32>,
}

/// Runs until `shutdown`.
///
/// # Errors
/// The roots cannot be read, or the socket cannot be opened.
pub async fn run(config: SdsAgentConfig, shutdown: Shutdown) -> Result<(), StartError> {
    let (identity, roots) = trust(&config.control)?;
    let acks = SecretAcks::default();
    let (sender, encoded) = watch::channel(Arc::<EncodedSecrets>::default());
    let confirm = confirm_when_taken(encoded.clone(), acks.clone());
    let agent = agent_of(&config.control, &identity, config.instance.clone(), roots, Some(confirm))?;
    let listener = bind(&config.socket)
        .map_err(|source| StartError::Socket { path: config.socket.display().to_string(), source })?;
    let mut users = config.users;
    if users.is_empty() {
        users.insert(rustix::process::geteuid().as_raw());
    }
    tracing::info!(socket = %config.socket.display(), ?users, id = %config.control.identity, "serving secrets");
    let (accepted, connections) = mpsc::channel(BACKLOG);
    let mut stopping = shutdown.watch();
    let stopped = async move { stopping.draining().await };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = accept(listener, users, accepted) => {}
        () = publish(identity, sender) => {}
        served = serve_secrets(ReceiverStream::new(connections), encoded, acks) => {
            if let Err(error) = served {
                tracing::error!(%error, "secrets cannot be served");
            }
        }
        followed = shutdown.follow_signals() => followed.map_err(StartError::Signals)?,
        () = stopped => {}
    }
    // Left behind it does no harm: the next agent removes it.
    let _ = fs::remove_file(&config.socket);
    Ok(())
}

/// Encodes the identity whenever it has changed.
async fn publish(identity: IdentityHandle, secrets_of: watch::Sender<Arc<EncodedSecrets>>) {
    let mut changes = identity.subscribe();
    loop {
        changes.borrow_and_update();
        let certificate = identity.svid().map(|svid| secrets::certificate(&svid));
        let all: Vec<_> = certificate.into_iter().chain([secrets::roots(&identity.trust())]).collect();
        secrets_of.send_replace(Arc::new(EncodedSecrets::new(&all)));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// New roots are confirmed to the authority when every proxy that has some has the new ones.
fn confirm_when_taken(encoded: watch::Receiver<Arc<EncodedSecrets>>, acks: SecretAcks) -> Confirm {
    Arc::new(move |roots| {
        let (mut encoded, acks) = (encoded.clone(), acks.clone());
        let wanted = EncodedSecrets::new([&secrets::roots(&roots)]);
        Box::pin(async move {
            let name = CertificateSource::TRUST_BUNDLE_SECRET;
            let Some(version) = wanted.version(name) else { return };
            // First they are published, then taken.
            let published = |secrets: &Arc<EncodedSecrets>| secrets.version(name).as_ref() == Some(&version);
            if encoded.wait_for(published).await.is_err() {
                return;
            }
            let mut checks = tokio::time::interval(ACK_CHECK);
            while !acks.all_have(name, &version) {
                checks.tick().await;
            }
        })
    })
}

async fn accept(
    listener: UnixListener,
    users: BTreeSet<u32>,
    accepted: mpsc::Sender<io::Result<UnixStream>>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // The kernel says who connects; nobody can say otherwise.
        match stream.peer_cred() {
            Ok(peer) if users.contains(&peer.uid()) => {
                if accepted.send(Ok(stream)).await.is_err() {
                    return;
                }
            }
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), pid = peer.pid(), "a process of another user is refused")
            }
            Err(error) => tracing::warn!(%error, "a process that cannot be told is refused"),
        }
    }
}

/// Listens where the socket of an agent that is gone may still lie. Whoever may connect is told by the kernel, so the mode does not
/// matter where other users are let in.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent answers on it")),
            Err(_) => fs::remove_file(path)?,
        },
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and is not a socket")),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
