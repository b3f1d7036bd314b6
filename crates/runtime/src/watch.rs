//! Tells when files may have changed: written in place, moved into place, or reached by another symbolic link. What they
//! hold is not read here; whoever is told reads them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A change is told when nothing has happened for this long: saving takes several steps.
const QUIET: Duration = Duration::from_millis(20);
/// It is told after this long in any case.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked whether the files are still the same: of a directory that was replaced the system says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Files that are watched as long as this lives.
#[derive(Default)]
pub struct FileWatch {
    marks: BTreeMap<PathBuf, Option<Mark>>,
    directories: BTreeSet<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    events: Arc<Notify>,
}

/// Which file it is and in which state, followed through symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Mark> {
        let metadata = fs::metadata(path).ok()?;
        Some(Mark {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl FileWatch {
    /// Watches these files and directories, and no others. They need not exist. A directory has changed when something in it
    /// was added, moved, removed or written.
    pub fn set(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let paths: BTreeSet<PathBuf> = paths.into_iter().collect();
        self.marks.retain(|path, _| paths.contains(path));
        for path in &paths {
            self.marks.entry(path.clone()).or_insert_with(|| Mark::of(path));
        }
        let directories: BTreeSet<PathBuf> = paths.iter().map(|path| directory(path)).collect();
        if directories != self.directories {
            self.directories = directories;
            self.watch();
        }
    }

    /// Returns when something may have changed since the last time, or since it is watched. Never without a path.
    pub async fn changed(&mut self) {
        if self.marks.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::select! {
                () = self.events.notified() => {
                    self.settle().await;
                    self.renew();
                    return;
                }
                () = tokio::time::sleep(LOOK) => {
                    if self.renew() {
                        // A directory may be another one by now.
                        self.watch();
                        return;
                    }
                }
            }
        }
    }

    async fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if tokio::time::timeout(QUIET, self.events.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Looks at every file; says whether one is not what it was.
    fn renew(&mut self) -> bool {
        let mut changed = false;
        for (path, mark) in &mut self.marks {
            let now = Mark::of(path);
            changed |= now != *mark;
            *mark = now;
        }
        changed
    }

    /// Asks the system to tell of the directories. Where it refuses, looking every second has to do.
    fn watch(&mut self) {
        let events = self.events.clone();
        let handler = move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, is_change) {
                events.notify_one();
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => watcher,
            Err(error) => return tracing::warn!(%error, "files are looked at every second only"),
        };
        for directory in &self.directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::debug!(directory = %directory.display(), %error, "looked at every second only");
            }
        }
        self.watcher = Some(watcher);
    }
}

/// Of a file its directory is watched, since a new file is put in place of the old one.
fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        _ if path.is_dir() => path.to_owned(),
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Reading is no change, or it would never end.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const DEADLINE: Duration = Duration::from_secs(10);

    async fn told(watch: &mut FileWatch) {
        tokio::time::timeout(DEADLINE, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn writes_moves_and_links_are_told() {
        let root = std::env::temp_dir().join(format!("ripstop-watch-{}", std::process::id()));
        for directory in ["one", "two"] {
            fs::create_dir_all(root.join(directory)).unwrap();
            fs::write(root.join(directory).join("f"), directory).unwrap();
        }
        symlink(root.join("one"), root.join("current")).unwrap();
        let mut watch = FileWatch::default();
        watch.set([root.join("plain"), root.join("current/f")]);
        fs::write(root.join("plain"), "1").unwrap();
        told(&mut watch).await;
        fs::write(root.join("new"), "2").unwrap();
        fs::rename(root.join("new"), root.join("plain")).unwrap();
        told(&mut watch).await;
        symlink(root.join("two"), root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("current")).unwrap();
        told(&mut watch).await;
        fs::remove_dir_all(&root).unwrap();
    }
}
