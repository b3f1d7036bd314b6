//! A file that configuration comes from while the proxy runs. Not the file that it was started with.

use crate::Name;

/// Envoy's `PathConfigSource`: a file with a `DiscoveryResponse`, read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigFile {
    /// The file.
    pub path: Name,
    /// A directory whose changes mean that the file has changed, where that says more than the file's own.
    pub watched_directory: Option<Name>,
}

impl ConfigFile {
    /// A file that is watched itself.
    pub fn new(path: impl Into<Name>) -> ConfigFile {
        ConfigFile { path: path.into(), watched_directory: None }
    }
}
