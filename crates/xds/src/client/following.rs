//! What a client follows besides what resources ask for themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::tls::{Secret, SecretRef};
use ripstop_model::{ConfigFile, Name, Snapshot};

use crate::ResourceType;
use crate::decode::WorkloadSecrets;

/// Where all listeners or all clusters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `None`: ADS.
    pub file: Option<ConfigFile>,
    /// How long the first answer is waited for; after that things go on without. `None`: for ever.
    pub initial_timeout: Option<Duration>,
}

impl Origin {
    /// ADS, without which nothing can be done.
    pub const ADS: Origin = Origin { file: None, initial_timeout: None };
    /// Envoy's default for [`Origin::initial_timeout`].
    pub const DEFAULT_INITIAL_TIMEOUT: Duration = Duration::from_secs(15);
}

/// What a client follows.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// Listeners and clusters that are always there. Nobody can replace them.
    pub fixed: Arc<Snapshot>,
    /// Where further listeners come from.
    pub listeners: Option<Origin>,
    /// Where further clusters come from.
    pub clusters: Option<Origin>,
    /// Layers of values that are sent, by the name of the resource, and the file that each is in; `None`: ADS.
    pub runtime: Vec<(Name, Option<ConfigFile>)>,
    /// Who has the secrets of the workload.
    pub workload: WorkloadSecrets,
}

impl Following {
    /// A control plane, and nothing else.
    pub fn ads_alone() -> Following {
        Following { listeners: Some(Origin::ADS), clusters: Some(Origin::ADS), ..Following::default() }
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = (ResourceType, &Origin)> {
        let listeners = self.listeners.iter().map(|origin| (ResourceType::Listener, origin));
        self.clusters.iter().map(|origin| (ResourceType::Cluster, origin)).chain(listeners)
    }
}

/// A file that has to be followed, and what it holds.
pub type WantedFile = (ResourceType, ConfigFile);

/// Which files have to be followed.
pub type WantedFiles = BTreeSet<WantedFile>;

/// The secrets that servers of secrets are asked for.
pub type WantedSecrets = BTreeSet<SecretRef>;

/// Something that has come by another way than ADS.
#[derive(Debug)]
pub enum Update {
    /// A file says something.
    File(FileUpdate),
    /// A server has sent a secret.
    Secret(SecretRef, Secret),
}

/// What a file says by now.
#[derive(Debug)]
pub struct FileUpdate {
    /// Which file.
    pub file: WantedFile,
    /// Its resources, all of one kind.
    pub resources: Snapshot,
    /// Its version, as far as it names one.
    pub version: String,
}
