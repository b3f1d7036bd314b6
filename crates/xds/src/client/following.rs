//! What a client follows besides what resources ask for themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::{ConfigFile, Snapshot};

use crate::ResourceType;

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
}

impl Following {
    /// A control plane, and nothing else.
    pub fn ads_alone() -> Following {
        Following { fixed: Arc::default(), listeners: Some(Origin::ADS), clusters: Some(Origin::ADS) }
    }

    /// Whether nothing can ever change, so that what is fixed is all there is.
    pub fn is_still(&self) -> bool {
        let named =
            self.fixed.wanted_routes().next().is_some() || self.fixed.wanted_endpoints().next().is_some();
        self.listeners.is_none() && self.clusters.is_none() && !named
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
