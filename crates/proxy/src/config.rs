//! What a proxy is started with. Everything else comes from the control plane, or from the file of a proxy that is alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ripstop_model::address::BindAddress;
use ripstop_model::matcher::StringMatch;
use ripstop_model::node::LocalCluster;
use ripstop_model::runtime::RuntimeLayer;
use ripstop_model::{Node, Snapshot, SpiffeId};
use ripstop_xds::bootstrap::Dynamic;
use ripstop_xds::client::Introduction;

use crate::admin::Options;

/// How a proxy is started.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// How it introduces itself.
    pub node: Node,
    /// The control plane it follows.
    pub control: ControlPlane,
    /// Where its admin pages are. They show configuration and can end the process: loopback only.
    pub admin: SocketAddr,
    /// Where health probes are answered; `None`: on the admin pages alone.
    pub probe: Option<SocketAddr>,
    /// Worker threads; at least 1.
    pub concurrency: usize,
    /// How long requests under way may take when the process ends.
    pub drain_time: Duration,
}

/// How a proxy is started with a file, without an identity.
#[derive(Clone, Debug)]
pub struct StandaloneConfig {
    /// How it names itself on its admin pages.
    pub node: Node,
    /// What the file says that it does.
    pub snapshot: Snapshot,
    /// What it follows besides.
    pub dynamic: Dynamic,
    /// How it introduces itself to a control plane, apart from what `node` says.
    pub introduction: Introduction,
    /// What is set by name; later layers win.
    pub runtime: Vec<RuntimeLayer>,
    /// The cluster that it belongs to, and where it is.
    pub local: Option<LocalCluster>,
    /// Where its admin pages are; `None`: nowhere.
    pub admin: Option<BindAddress>,
    /// The only paths of admin pages that are answered; empty: all.
    pub admin_paths: Vec<StringMatch>,
    /// Worker threads; at least 1.
    pub concurrency: usize,
    /// How long requests under way may take when the process ends.
    pub drain_time: Duration,
    /// What is shown of how it was started.
    pub options: Options,
}

/// The control plane of a proxy, and what the two prove to each other.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// `host:port` of its xDS and certificate service.
    pub address: String,
    /// The identity to ask for.
    pub identity: SpiffeId,
    /// PEM file with the roots to trust at first contact.
    pub trust_root: PathBuf,
    /// File with the join token that proves the identity at first contact.
    pub token_file: Option<PathBuf>,
    /// Lifetime to ask certificates for; zero leaves it to the authority.
    pub certificate_lifetime: Duration,
}
