//! The layers of values that are set by name: those of the bootstrap, of files, and of the admin page. What they come to is
//! handed on whenever it changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ripstop_model::runtime::{RuntimeDirectory, RuntimeLayer, RuntimeSource, RuntimeValues, SentLayer};
use ripstop_model::{ConfigFile, Name};
use ripstop_policy::runtime::Runtime;
use ripstop_xds::bootstrap::runtime_value;
use tokio::sync::watch;

/// Most values that the admin page may set.
const MAX_ADMIN_VALUES: usize = 1_000;

/// Most files of a layer, and the longest of them in bytes; further ones and longer ones are left out.
const MAX_FILES: usize = 10_000;
/// See [`MAX_FILES`].
const MAX_FILE_BYTES: u64 = 64 << 10;
/// Directories within directories.
const MAX_DEPTH: usize = 16;

/// Why values could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModifyError {
    /// The bootstrap has no layer for it.
    #[error("No admin layer specified")]
    NoAdminLayer,
    /// There are too many.
    #[error("more than {MAX_ADMIN_VALUES} values are set here")]
    TooMany,
}

/// All layers of a proxy.
#[derive(Debug)]
pub struct RuntimeLayers {
    layers: Vec<RuntimeLayer>,
    service_cluster: String,
    set: Mutex<BTreeMap<String, String>>,
    sent: Mutex<BTreeMap<Name, Arc<SentLayer>>>,
    loads: AtomicU64,
    values: watch::Sender<Arc<Runtime>>,
}

impl RuntimeLayers {
    /// The layers of a bootstrap. `service_cluster` is the name of the node's cluster.
    pub fn new(layers: Vec<RuntimeLayer>, service_cluster: &str) -> RuntimeLayers {
        let layers = RuntimeLayers {
            layers,
            service_cluster: service_cluster.to_owned(),
            set: Mutex::default(),
            sent: Mutex::default(),
            loads: AtomicU64::new(0),
            values: watch::Sender::new(Arc::default()),
        };
        layers.reload();
        layers
    }

    /// What they come to, now and later.
    pub fn watch(&self) -> watch::Receiver<Arc<Runtime>> {
        self.values.subscribe()
    }

    /// What they come to now.
    pub fn current(&self) -> Arc<Runtime> {
        self.values.borrow().clone()
    }

    /// The directories whose replacement changes values.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            RuntimeSource::Disk(directory) => Some(directory.root.as_path()),
            RuntimeSource::Static(_) | RuntimeSource::Admin | RuntimeSource::Discovery { .. } => None,
        })
    }

    /// Sets values by name; an empty one takes away what was set before.
    pub fn modify<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), ModifyError> {
        if !self.layers.iter().any(|layer| layer.source == RuntimeSource::Admin) {
            return Err(ModifyError::NoAdminLayer);
        }
        let mut set = self.set();
        let mut next = set.clone();
        for (key, value) in values {
            match value {
                "" => drop(next.remove(key)),
                value => drop(next.insert(key.to_owned(), value.to_owned())),
            }
        }
        if next.len() > MAX_ADMIN_VALUES {
            return Err(ModifyError::TooMany);
        }
        *set = next;
        drop(set);
        self.reload();
        Ok(())
    }

    /// The layers that are sent, by the name of the resource, and the file that each is in; `None`: ADS.
    pub fn sent_layers(&self) -> impl Iterator<Item = (Name, Option<ConfigFile>)> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            RuntimeSource::Discovery { name, file } => Some((name.clone(), file.clone())),
            RuntimeSource::Static(_) | RuntimeSource::Admin | RuntimeSource::Disk(_) => None,
        })
    }

    /// Takes what was sent.
    pub fn take_sent(&self, sent: &BTreeMap<Name, Arc<SentLayer>>) {
        let before = std::mem::replace(&mut *self.sent(), sent.clone());
        if before != *sent {
            self.reload();
        }
    }

    /// How often the layers were put together.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// Whether values are set on the admin page.
    pub fn has_overrides(&self) -> bool {
        !self.set().is_empty()
    }

    /// Reads files again.
    pub fn reload(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let set: RuntimeValues =
            self.set().iter().map(|(key, text)| (key.clone(), runtime_value(text))).collect();
        let layers = self.layers.iter().map(|layer| {
            let values = match &layer.source {
                RuntimeSource::Static(values) => values.clone(),
                RuntimeSource::Admin => set.clone(),
                RuntimeSource::Disk(directory) => read_directory(directory, &self.service_cluster),
                RuntimeSource::Discovery { name, .. } => {
                    self.sent().get(name).map(|layer| layer.values.clone()).unwrap_or_default()
                }
            };
            (layer.name.clone(), values)
        });
        let runtime = Runtime::new(layers.collect());
        ripstop_xds::release_descriptors();
        self.values.send_if_modified(|before| {
            let changed = **before != runtime;
            if changed {
                *before = Arc::new(runtime);
            }
            changed
        });
    }

    fn sent(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<SentLayer>>> {
        // The same.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // A map of texts is whole after a panic elsewhere.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of a layer. What cannot be read is left out: the defaults hold.
fn read_directory(directory: &RuntimeDirectory, service_cluster: &str) -> RuntimeValues {
    let mut root = directory.root.join(&directory.subdirectory);
    if directory.append_service_cluster {
        root.push(service_cluster);
    }
    let mut values = RuntimeValues::new();
    read_below(&root, "", 0, &mut values);
    values
}

fn read_below(directory: &Path, prefix: &str, depth: usize, values: &mut RuntimeValues) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_dir() && depth < MAX_DEPTH {
            read_below(&entry.path(), &key, depth + 1, values);
        } else if metadata.is_file() && metadata.len() <= MAX_FILE_BYTES && values.len() < MAX_FILES {
            match fs::read_to_string(entry.path()) {
                Ok(text) => drop(values.insert(key, runtime_value(&without_comments(&text)))),
                Err(error) => tracing::warn!(file = %entry.path().display(), %error, "cannot read a value"),
            }
        }
    }
}

/// Without lines that begin with `#`, and without space at the end.
fn without_comments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::Percent;
    use ripstop_model::runtime::{RuntimeFraction, RuntimeValue};

    fn fraction(layers: &RuntimeLayers, key: &str) -> Percent {
        layers.current().fraction(&RuntimeFraction { key: key.into(), default: Percent::ALL })
    }

    #[test]
    fn what_is_set_on_the_page_wins_and_can_be_taken_back() {
        let values = RuntimeValues::from([("k".to_owned(), RuntimeValue::number(5.0))]);
        let layers = RuntimeLayers::new(
            vec![
                RuntimeLayer { name: "a".into(), source: RuntimeSource::Static(values) },
                RuntimeLayer { name: "b".into(), source: RuntimeSource::Admin },
            ],
            "",
        );
        assert_eq!(fraction(&layers, "k"), Percent::whole(5));
        layers.modify([("k", "7"), ("n", "true")]).unwrap();
        assert_eq!(fraction(&layers, "k"), Percent::whole(7));
        layers.modify([("k", "")]).unwrap();
        assert_eq!(fraction(&layers, "k"), Percent::whole(5));
        assert_eq!(RuntimeLayers::new(Vec::new(), "").modify([]), Err(ModifyError::NoAdminLayer));
    }

    #[test]
    fn what_is_sent_takes_its_place_among_the_layers() {
        let set = |number| RuntimeValues::from([("k".to_owned(), RuntimeValue::number(number))]);
        let sent = RuntimeSource::Discovery { name: "rtds".into(), file: None };
        let layers = RuntimeLayers::new(
            vec![
                RuntimeLayer { name: "a".into(), source: RuntimeSource::Static(set(5.0)) },
                RuntimeLayer { name: "b".into(), source: sent },
            ],
            "",
        );
        assert_eq!(fraction(&layers, "k"), Percent::whole(5));
        let layer = Arc::new(SentLayer { name: "rtds".into(), values: set(7.0) });
        layers.take_sent(&BTreeMap::from([("rtds".into(), layer)]));
        assert_eq!(fraction(&layers, "k"), Percent::whole(7));
        layers.take_sent(&BTreeMap::new());
        assert_eq!(fraction(&layers, "k"), Percent::whole(5));
    }

    #[test]
    fn files_are_named_by_their_directories() {
        let root = std::env::temp_dir().join(format!("ripstop-runtime-{}", std::process::id()));
        fs::create_dir_all(root.join("sub/shop/x/y")).unwrap();
        fs::write(root.join("sub/shop/x/y/k"), "# how many\n5\n").unwrap();
        let directory =
            RuntimeDirectory { root: root.clone(), subdirectory: "sub".into(), append_service_cluster: true };
        let source = RuntimeSource::Disk(directory);
        let layers = RuntimeLayers::new(vec![RuntimeLayer { name: "d".into(), source }], "shop");
        assert_eq!(fraction(&layers, "x.y.k"), Percent::whole(5));
        fs::write(root.join("sub/shop/x/y/k"), "6").unwrap();
        layers.reload();
        assert_eq!(fraction(&layers, "x.y.k"), Percent::whole(6));
        fs::remove_dir_all(&root).unwrap();
    }
}
