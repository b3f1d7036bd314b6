//! Secrets on disk: written whole or not at all, and never readable by others, not even for an instant.
//!
//! A file is written under a temporary name in the same directory with its final mode, synced, then renamed over the
//! target, and the directory is synced. It knows nothing about what the bytes mean.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest secret or certificate file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

const OTHERS_MASK: u32 = 0o077;

/// Why a file could not be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write` …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A secret lies open to the group or to everybody.
    #[error(
        "{} has mode {mode:04o} and may be read by others; run `chmod {wanted} {}` and consider the secret known",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The mode to set.
        wanted: &'static str,
    },
    /// The file is larger than any file of its kind.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes; it is not a key, certificate or token file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("{} is not UTF-8 text; expected PEM or a token", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// Makes `dir` (and its parents) with mode 0700.
///
/// # Errors
/// If it cannot be made, or exists and lets others in.
pub fn private_dir(dir: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| failed("create directory", dir, e))?;
    let mode = fs::metadata(dir).map_err(|e| failed("examine", dir, e))?.mode() & 0o7777;
    if mode & OTHERS_MASK != 0 {
        return Err(FileError::TooOpen { path: dir.to_owned(), mode, wanted: "700" });
    }
    Ok(())
}

/// Replaces `path` with `bytes`, mode 0600: for keys and tokens.
///
/// # Errors
/// If any step fails; the old content is then still in place.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, 0o600)
}

/// Replaces `path` with `bytes`, mode 0644 (less the umask): for certificates.
///
/// # Errors
/// If any step fails; the old content is then still in place.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, 0o644)
}

/// Reads a secret text file; `None` if there is none.
///
/// # Errors
/// If it cannot be read, is not text, is too large, or may be read by others.
pub fn read_secret(path: &Path) -> Result<Option<String>, FileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("open", path, e)),
    };
    let metadata = file.metadata().map_err(|e| failed("examine", path, e))?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_MASK != 0 {
        return Err(FileError::TooOpen { path: path.to_owned(), mode, wanted: "600" });
    }
    let mut bytes = Vec::new();
    (&mut file).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failed("read", path, e))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| FileError::NotText { path: path.to_owned() })
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.{:08x}.tmp", std::process::id(), fastrand::u32(..)));
    let result = write_new(&temporary, bytes, mode)
        .and_then(|()| fs::rename(&temporary, path).map_err(|e| failed("write", path, e)));
    if result.is_err() {
        // The first error is the one to report; what cannot be removed holds no more than was asked for.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed("sync directory", dir, e))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|e| failed("create", path, e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| failed("write", path, e))
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError::Io { action, path: path.to_owned(), source }
}
