//! Writes lines from a thread of its own. A slow or full disk never holds up a request: lines that do
//! not fit the queue are dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use ripstop_model::Name;
use ripstop_model::access_log::AccessLogSink;

use super::reopen::Reopen;

/// Lines that may wait for a sink.
pub const QUEUE_LINES: usize = 8192;

/// Lines that are written with one system call at most.
const BATCH_BYTES: usize = 64 * 1024;

/// Where lines are handed in. Cheap to clone.
#[derive(Clone)]
pub struct Sink {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// A sink could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log {path}: {source}")]
pub struct OpenError {
    path: String,
    source: io::Error,
}

impl Sink {
    /// Opens a sink and starts its thread, which ends when the last clone is gone. Lines that are lost
    /// are added to `dropped`; a file is opened again when `reopen` asks for it.
    pub fn open(sink: &AccessLogSink, dropped: Arc<AtomicU64>, reopen: Reopen) -> Result<Sink, OpenError> {
        let target = match sink {
            AccessLogSink::Stdout => Target::Stdout,
            AccessLogSink::Stderr => Target::Stderr,
            AccessLogSink::File(path) => {
                let opened = reopen.count();
                let file = append(path).map_err(|source| OpenError { path: path.to_string(), source })?;
                Target::File { path: path.clone(), file, reopen, opened }
            }
        };
        let (lines, queue) = sync_channel(QUEUE_LINES);
        let lost = dropped.clone();
        std::thread::Builder::new()
            .name("access-log".into())
            .stack_size(128 * 1024)
            .spawn(move || drain(&queue, target, &lost))
            .map_err(|source| OpenError { path: format!("{sink:?}"), source })?;
        Ok(Sink { lines, dropped })
    }

    /// Hands in one line, line end included. Never waits.
    pub fn write(&self, line: Vec<u8>) {
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Where a thread writes to.
enum Target {
    Stdout,
    Stderr,
    /// `opened`: what `reopen` counted when the file was opened.
    File {
        path: Name,
        file: File,
        reopen: Reopen,
        opened: u64,
    },
}

impl Target {
    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        match self {
            Target::Stdout => whole(io::stdout(), batch),
            Target::Stderr => whole(io::stderr(), batch),
            Target::File { path, file, reopen, opened } => {
                let asked = reopen.count();
                if std::mem::replace(opened, asked) != asked {
                    match append(path) {
                        Ok(again) => *file = again,
                        // Lines in the old file are worth more than none.
                        Err(error) => {
                            tracing::warn!(%path, %error, "the access log cannot be opened again, the old file is kept");
                        }
                    }
                }
                whole(file, batch)
            }
        }
    }
}

fn whole(mut to: impl Write, batch: &[u8]) -> io::Result<()> {
    to.write_all(batch)?;
    to.flush()
}

fn append(path: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes what has queued up in one go, until nobody can hand anything in.
fn drain(queue: &Receiver<Vec<u8>>, mut target: Target, lost: &AtomicU64) {
    while let Ok(mut batch) = queue.recv() {
        let mut lines = 1;
        while batch.len() < BATCH_BYTES
            && let Ok(line) = queue.try_recv()
        {
            batch.extend_from_slice(&line);
            lines += 1;
        }
        if target.write(&batch).is_err() {
            lost.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_when_the_disk_is_full() {
        let dropped = Arc::new(AtomicU64::new(0));
        let sink =
            Sink::open(&AccessLogSink::File("/dev/full".into()), dropped.clone(), Reopen::default()).unwrap();
        for _ in 0..10 {
            sink.write(b"line\n".to_vec());
        }
        drop(sink);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while dropped.load(Ordering::Relaxed) < 10 {
            assert!(std::time::Instant::now() < deadline, "only {} counted", dropped.load(Ordering::Relaxed));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_was_renamed_is_opened_again_when_asked() {
        let path = std::env::temp_dir().join(format!("ripstop-reopen-{}.log", std::process::id()));
        let old = path.with_extension("old");
        let text = |path: &std::path::Path, is: &str| {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
            while std::fs::read_to_string(path).unwrap_or_default() != is {
                assert!(std::time::Instant::now() < deadline, "{} is not {is:?}", path.display());
                std::thread::yield_now();
            }
        };
        let (_, _) = (std::fs::remove_file(&path), std::fs::remove_file(&old));
        let reopen = Reopen::default();
        let file = AccessLogSink::File(path.to_str().unwrap().into());
        let sink = Sink::open(&file, Arc::default(), reopen.clone()).unwrap();
        sink.write(b"one\n".to_vec());
        text(&path, "one\n");
        std::fs::rename(&path, &old).unwrap();
        sink.write(b"two\n".to_vec());
        text(&old, "one\ntwo\n");
        reopen.ask();
        sink.write(b"three\n".to_vec());
        text(&path, "three\n");
        text(&old, "one\ntwo\n");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&old).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error =
            Sink::open(&AccessLogSink::File("/no/such/dir/log".into()), Arc::default(), Reopen::default());
        assert!(error.err().unwrap().to_string().contains("/no/such/dir/log"));
    }
}
