//! Follows files as they are edited. A good edit puts a new world in force, a bad one is reported and changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use ripstop_yaml::Severity;
use tokio::sync::watch::Sender;

use crate::source::{State, load};

/// Files are read when nothing has happened to them for this long: saving takes several steps.
const QUIET: Duration = Duration::from_millis(50);
/// They are read after this long in any case.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked whether a watched directory is still the same: of one that was put in its place the system says
/// nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system refuses, for instance because too many files are watched already.
    #[error("cannot watch {path}: {source}; edits would not be noticed (see fs.inotify.max_user_watches)")]
    Refused {
        /// What should be watched.
        path: String,
        /// What the system says.
        source: notify::Error,
    },
    /// No thread can be started.
    #[error("cannot start a thread to watch files: {0}")]
    Thread(#[from] std::io::Error),
}

/// Watches as long as it lives.
#[derive(Debug)]
#[must_use = "watching ends when this is dropped"]
pub struct Watch {
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

/// A directory that is watched, and which one of that name it was.
struct Watched {
    directory: PathBuf,
    mode: RecursiveMode,
    identity: Option<(u64, u64)>,
}

impl Watched {
    /// Of a file the directory is watched, since editors put a new file in place of the old one.
    fn new(path: &Path) -> Watched {
        let (directory, mode) = match path.parent() {
            _ if path.is_dir() => (path, RecursiveMode::Recursive),
            Some(parent) if !parent.as_os_str().is_empty() => (parent, RecursiveMode::NonRecursive),
            _ => (Path::new("."), RecursiveMode::NonRecursive),
        };
        Watched { directory: directory.to_owned(), mode, identity: identity(directory) }
    }

    /// Says whether there is another directory of this name, or none, since it was looked last; another one is watched
    /// from now on.
    fn renew(&mut self, watcher: &mut RecommendedWatcher) -> bool {
        let found = identity(&self.directory);
        if found == self.identity {
            return false;
        }
        // The old one may be gone already, and with it its watch.
        let _ = watcher.unwatch(&self.directory);
        // If it goes just now, the next look finds out.
        let watching = found.is_some() && watcher.watch(&self.directory, self.mode).is_ok();
        self.identity = found.filter(|_| watching);
        watching || found.is_none()
    }
}

/// Device and inode of a directory that is there.
fn identity(directory: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(directory).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Loads `paths` again whenever something below them changes, and at once, since they may have changed before. `sink`
/// holds the state to begin with and gets every later one: a world that differs, or the problems that keep the documents
/// from being one.
///
/// # Errors
/// The system cannot watch one of the paths.
pub fn watch(paths: Vec<PathBuf>, sink: Sender<Arc<State>>) -> Result<Watch, WatchError> {
    follow(paths, move |paths| {
        if sink.is_closed() {
            return false;
        }
        let loaded = load(paths);
        let next = sink.borrow().after(loaded);
        if let Some(state) = next {
            report(&state);
            sink.send_replace(Arc::new(state));
        }
        true
    })
}

/// Calls `changed` with `paths` on a thread of its own whenever something below them has changed, and at once. It ends when
/// `changed` says `false`, or when what is returned is dropped.
///
/// # Errors
/// The system cannot watch one of the paths.
pub fn follow(
    paths: Vec<PathBuf>,
    changed: impl FnMut(&[PathBuf]) -> bool + Send + 'static,
) -> Result<Watch, WatchError> {
    // One waiting notice is enough: all files are read after it.
    let (notice, notices) = sync_channel::<()>(1);
    let noticed = notice.clone();
    let handler = move |event: notify::Result<Event>| {
        if event.as_ref().map_or(true, is_change) {
            // Full: a notice is waiting already. Disconnected: nobody follows any more.
            let _ = noticed.try_send(());
        }
    };
    let refused = |path: &Path| {
        let path = path.display().to_string();
        move |source| WatchError::Refused { path, source }
    };
    let mut watcher = notify::recommended_watcher(handler).map_err(refused(Path::new("files")))?;
    let directories: Vec<Watched> = paths.iter().map(|path| Watched::new(path)).collect();
    for (path, watched) in paths.iter().zip(&directories) {
        watcher.watch(&watched.directory, watched.mode).map_err(refused(path))?;
    }
    let _ = notice.try_send(());
    drop(notice);
    let watcher = Arc::new(Mutex::new(watcher));
    let mut follower = Follower { paths, directories, watcher: Arc::downgrade(&watcher), changed };
    thread::Builder::new().name("files".to_owned()).spawn(move || follower.run(&notices))?;
    Ok(Watch { _watcher: watcher })
}

/// Our own reading is no change, or it would never end.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

/// What the thread has that reads files after an edit.
struct Follower<F> {
    paths: Vec<PathBuf>,
    directories: Vec<Watched>,
    watcher: Weak<Mutex<RecommendedWatcher>>,
    changed: F,
}

impl<F: FnMut(&[PathBuf]) -> bool> Follower<F> {
    /// Ends when the watcher is dropped or nobody wants to know any more.
    fn run(&mut self, notices: &Receiver<()>) {
        loop {
            match notices.recv_timeout(LOOK) {
                Ok(()) => wait_for_quiet(notices),
                Err(RecvTimeoutError::Timeout) if self.renew() => {}
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !(self.changed)(&self.paths) {
                return;
            }
        }
    }

    fn renew(&mut self) -> bool {
        let Some(watcher) = self.watcher.upgrade() else { return false };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for watched in &mut self.directories {
            changed |= watched.renew(&mut watcher);
        }
        changed
    }
}

fn wait_for_quiet(notices: &Receiver<()>) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match notices.recv_timeout(QUIET) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Says in the log what became of the documents.
pub(crate) fn report(state: &State) {
    if state.refused.is_empty() {
        tracing::info!(warnings = state.warnings.len(), "the documents have changed and are in force");
        for warning in &state.warnings {
            tracing::warn!("{warning}");
        }
        return;
    }
    for problem in state.refused.iter().filter(|problem| problem.severity == Severity::Error) {
        tracing::error!("refused: {problem}");
    }
    tracing::error!("the documents have errors; what was in force before stays in force");
}
