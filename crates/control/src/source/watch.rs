//! Follows files as they are edited. A good edit puts a new world in force, a bad one is reported and changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
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
    _watcher: RecommendedWatcher,
}

/// Loads `paths` again whenever something below them changes, and at once, since they may have changed before. `sink`
/// holds the state to begin with and gets every later one: a world that differs, or the problems that keep the documents
/// from being one.
///
/// # Errors
/// The system cannot watch one of the paths.
pub fn watch(paths: Vec<PathBuf>, sink: Sender<Arc<State>>) -> Result<Watch, WatchError> {
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
    for path in &paths {
        let (directory, mode) = watched(path);
        watcher.watch(directory, mode).map_err(refused(path))?;
    }
    let _ = notice.try_send(());
    drop(notice);
    thread::Builder::new().name("files".to_owned()).spawn(move || follow(&paths, &notices, &sink))?;
    Ok(Watch { _watcher: watcher })
}

/// Of a file the directory is watched, since editors put a new file in place of the old one.
fn watched(path: &Path) -> (&Path, RecursiveMode) {
    if path.is_dir() {
        return (path, RecursiveMode::Recursive);
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => (parent, RecursiveMode::NonRecursive),
        _ => (Path::new("."), RecursiveMode::NonRecursive),
    }
}

/// Our own reading is no change, or it would never end.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

/// Ends when the watcher is dropped or nobody looks at the state any more.
fn follow(paths: &[PathBuf], notices: &Receiver<()>, sink: &Sender<Arc<State>>) {
    while notices.recv().is_ok() {
        wait_for_quiet(notices);
        if sink.is_closed() {
            return;
        }
        let loaded = load(paths);
        let Some(state) = sink.borrow().after(loaded) else { continue };
        report(&state);
        sink.send_replace(Arc::new(state));
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

fn report(state: &State) {
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
