//! The log of the process itself, on standard error or in a file. Not the access log, and never per request. Its levels can
//! be changed while it runs.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// A log level that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown log level '{0}'; use trace, debug, info, warn, error or off, or directives such as info,ripstop_xds=debug"
)]
pub struct UnknownLevel(String);

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
    /// The file.
    #[error("cannot write the log to {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The parts whose level can be changed by name; the name of each is that of its crate without `ripstop_`.
const PARTS: [&str; 7] = ["cli", "client", "control", "identity", "proxy", "runtime", "xds"];

/// The log that was started.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    handle: reload::Handle<EnvFilter, Registry>,
    levels: Mutex<Levels>,
}

/// The level of everything, and of parts that differ.
#[derive(Clone)]
struct Levels {
    /// As it was given at the start, or a level.
    all: String,
    parts: BTreeMap<&'static str, String>,
}

impl Levels {
    fn filter(&self) -> Result<EnvFilter, UnknownLevel> {
        let mut text = self.all.clone();
        for (part, level) in &self.parts {
            text.push_str(&format!(",ripstop_{part}={level}"));
        }
        EnvFilter::try_new(&text).map_err(|_| UnknownLevel(text))
    }
}

impl Log {
    fn levels(&self) -> MutexGuard<'_, Levels> {
        // Texts are whole after a panic elsewhere.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the log on standard error. Call once, early. `level` is a level or a list of `target=level`; Envoy's
/// `warning` and `critical` are understood.
///
/// # Errors
/// If there is no such level.
pub fn start_log(level: &str) -> Result<(), UnknownLevel> {
    match start_log_to(level, None) {
        Ok(()) => Ok(()),
        Err(LogError::Level(error)) => Err(error),
        Err(LogError::File { path, .. }) => Err(UnknownLevel(path)),
    }
}

/// Like [`start_log`]; with a path, appends to that file.
///
/// # Errors
/// If there is no such level, or the file cannot be written.
pub fn start_log_to(level: &str, path: Option<&Path>) -> Result<(), LogError> {
    let levels = Levels { all: known(level).to_owned(), parts: BTreeMap::new() };
    let (filter, handle) = reload::Layer::new(levels.filter().map_err(|_| UnknownLevel(level.to_owned()))?);
    let layer = tracing_subscriber::fmt::layer().with_target(true);
    // A second start (in tests, many in one process) keeps the first log.
    match path {
        None => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            let layer = layer.with_ansi(terminal).with_writer(std::io::stderr);
            let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
        }
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let failed = |source| LogError::File { path: path.display().to_string(), source };
            let layer = layer.with_ansi(false).with_writer(Mutex::new(file.map_err(failed)?));
            let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
        }
    }
    let _ = LOG.set(Log { handle, levels: Mutex::new(levels) });
    Ok(())
}

/// Why a level could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SetLevelError {
    /// There is no such level.
    #[error("unknown logger level")]
    Level,
    /// There is no such part.
    #[error("unknown logger '{0}'")]
    Part(String),
}

/// Changes the level of a part, or of everything.
///
/// # Errors
/// If there is no such level or part.
pub fn set_level(part: Option<&str>, level: &str) -> Result<(), SetLevelError> {
    let level = known(level);
    if !["trace", "debug", "info", "warn", "error", "off"].contains(&level) {
        return Err(SetLevelError::Level);
    }
    let part = match part {
        None => None,
        Some(name) => {
            let found = PARTS.into_iter().find(|part| *part == name);
            Some(found.ok_or_else(|| SetLevelError::Part(name.to_owned()))?)
        }
    };
    let Some(log) = LOG.get() else { return Ok(()) };
    let mut levels = log.levels();
    match part {
        None => *levels = Levels { all: level.to_owned(), parts: BTreeMap::new() },
        Some(part) => drop(levels.parts.insert(part, level.to_owned())),
    }
    let filter = levels.filter().map_err(|_| SetLevelError::Level)?;
    // It fails only when the log is gone, at the end of the process.
    let _ = log.handle.reload(filter);
    Ok(())
}

/// The level of each part.
pub fn levels() -> Vec<(&'static str, String)> {
    let Some(log) = LOG.get() else { return Vec::new() };
    let levels = log.levels();
    PARTS.map(|part| (part, levels.parts.get(part).unwrap_or(&levels.all).clone())).to_vec()
}

/// By our name, where Envoy has another.
fn known(level: &str) -> &str {
    match level {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_advice() {
        let error = start_log("ripstop=loud").map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("use trace, debug")));
    }

    #[test]
    fn levels_are_changed_by_name() {
        start_log("warning").unwrap();
        set_level(Some("xds"), "debug").unwrap();
        let level = |name: &str| levels().into_iter().find(|(part, _)| *part == name).unwrap().1;
        assert_eq!((level("xds").as_str(), level("proxy").as_str()), ("debug", "warn"));
        assert!(matches!(set_level(None, "loud"), Err(SetLevelError::Level)));
        assert!(matches!(set_level(Some("http"), "info"), Err(SetLevelError::Part(_))));
        set_level(None, "error").unwrap();
        assert_eq!(level("xds"), "error");
    }
}
