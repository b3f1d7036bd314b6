//! The output of one child, kept in a file of bounded size: at 16 MiB it becomes `<file>.old` and a new one begins. Lines
//! are kept as the child wrote them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Size at which a log is rotated; with the one kept before, a child takes twice this at most.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// How far back [`tail`] looks for lines.
const MAX_TAIL_BYTES: u64 = 64 * 1024;

/// A log that is being written.
#[derive(Debug)]
pub struct RotatingLog {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
    /// Where in `file` the output of the present run of the child begins.
    run_start: u64,
}

impl RotatingLog {
    /// Begins an empty log, the one of an earlier run is removed.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, MAX_BYTES)
    }

    fn with_limit(path: &Path, limit: u64) -> io::Result<Self> {
        match fs::remove_file(old(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { path: path.to_owned(), file: File::create(path)?, written: 0, limit, run_start: 0 })
    }

    /// Appends what the child wrote.
    ///
    /// # Errors
    /// When the file cannot be written, for instance because the disk is full.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written + bytes.len() as u64 > self.limit {
            fs::rename(&self.path, old(&self.path))?;
            self.file = File::create(&self.path)?;
            self.written = 0;
            self.run_start = 0;
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// The child is about to be started: what follows is of its new run.
    pub fn begin_run(&mut self) {
        self.run_start = self.written;
    }

    /// The last `count` lines of the present run, as [`tail`].
    pub fn run_tail(&self, count: usize) -> Vec<String> {
        tail_from(&self.path, self.run_start, count)
    }
}

fn old(path: &Path) -> PathBuf {
    path.with_added_extension("old")
}

/// The last `count` lines of a log, at most 64 KiB of them, with control characters replaced, so that a child cannot write
/// to the terminal of `up` by way of its log. Empty if there is no log.
pub fn tail(path: &Path, count: usize) -> Vec<String> {
    tail_from(path, 0, count)
}

/// `text` with control characters replaced.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn tail_from(path: &Path, start: u64, count: usize) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_TAIL_BYTES).max(start)))?;
        let mut bytes = Vec::new();
        file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(count);
    lines[first..].iter().map(|line| visible(line)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::up::state_dir::tests::Scratch;

    #[test]
    fn a_log_rotates_at_its_limit_and_keeps_one() {
        let scratch = Scratch::new();
        let path = scratch.0.join("a.log");
        let mut log = RotatingLog::with_limit(&path, 10).unwrap();
        for chunk in ["12345", "67890", "abc", "defghij", "xyz"] {
            log.append(chunk.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "xyz");
        assert_eq!(fs::read_to_string(scratch.0.join("a.log.old")).unwrap(), "abcdefghij");
        drop(RotatingLog::create(&path).unwrap());
        assert!(!scratch.0.join("a.log.old").exists(), "a new run begins empty");
    }

    #[test]
    fn each_run_has_its_own_tail() {
        let scratch = Scratch::new();
        let mut log = RotatingLog::with_limit(&scratch.0.join("a.log"), 10).unwrap();
        log.append(b"one\n").unwrap();
        log.begin_run();
        assert!(log.run_tail(20).is_empty());
        log.append(b"two\n").unwrap();
        assert_eq!(log.run_tail(20), ["two"]);
        log.append(b"three\n").unwrap();
        assert_eq!(log.run_tail(20), ["three"], "the file is a new one");
    }

    #[test]
    fn the_tail_is_the_last_lines_made_harmless() {
        let scratch = Scratch::new();
        let path = scratch.0.join("a.log");
        fs::write(&path, b"one\ntwo\n\x1b[2Jthree\xff\tx\n").unwrap();
        assert_eq!(tail(&path, 2), ["two", "\u{fffd}[2Jthree\u{fffd}\tx"]);
        assert_eq!(tail(&path, 20).len(), 3);
        assert!(tail(&scratch.0.join("none.log"), 20).is_empty());
    }
}
