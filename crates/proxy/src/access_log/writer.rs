//! Writes lines from a thread of its own. A slow or full disk never holds up a request: lines that do
//! not fit the queue are dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ripstop_model::Name;
use ripstop_model::access_log::AccessLogSink;

use super::reopen::Reopen;

/// Lines that may wait for a sink.
pub const QUEUE_LINES: u64 = 8192;

/// So many bytes are written at once, without waiting for more.
const BATCH_BYTES: usize = 64 * 1024;

/// After writing, the thread waits this long for more to come, so that it is not woken for every line.
const REST: Duration = Duration::from_millis(20);

/// Where lines are handed in. Cheap to clone.
#[derive(Clone)]
pub struct Sink(Arc<Doors>);

/// Both ends of a sink. The thread ends when this is dropped.
struct Doors {
    queue: Arc<Queue>,
    dropped: Arc<AtomicU64>,
}

/// Lines between workers and a thread.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

/// The lines themselves, and what the thread waits for.
#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    lines: u64,
    closed: bool,
    wakes: WakesFor,
}

/// What the thread is to be woken for. Waking costs more than a line does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum WakesFor {
    /// It is awake.
    #[default]
    Nothing,
    /// A line.
    Line,
    /// [`BATCH_BYTES`].
    Batch,
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
        let queue = Arc::new(Queue::default());
        let (lost, lines) = (dropped.clone(), queue.clone());
        std::thread::Builder::new()
            .name("access-log".into())
            .stack_size(128 * 1024)
            .spawn(move || drain(&lines, target, &lost))
            .map_err(|source| OpenError { path: format!("{sink:?}"), source })?;
        Ok(Sink(Arc::new(Doors { queue, dropped })))
    }

    /// Hands in one line, line end included. Never waits for the disk.
    pub fn write(&self, line: &[u8]) {
        let Doors { queue, dropped } = &*self.0;
        let mut waiting = queue.lock();
        if waiting.lines >= QUEUE_LINES {
            drop(waiting);
            dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        let wake = match waiting.wakes {
            WakesFor::Nothing => false,
            WakesFor::Line => true,
            WakesFor::Batch => waiting.text.len() >= BATCH_BYTES,
        };
        if wake {
            waiting.wakes = WakesFor::Nothing;
            drop(waiting);
            queue.wake.notify_one();
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.wake.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Text and count are whole after a panic elsewhere.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them, in exchange for an empty buffer. `None`: there will be no more.
    fn take(&self, empty: Vec<u8>) -> Option<(Vec<u8>, u64)> {
        let mut waiting = self.lock();
        while waiting.lines == 0 {
            if waiting.closed {
                return None;
            }
            waiting.wakes = WakesFor::Line;
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.wakes = WakesFor::Nothing;
        Some((std::mem::replace(&mut waiting.text, empty), std::mem::take(&mut waiting.lines)))
    }

    /// Waits until many bytes have come, no more will come, or [`REST`] is over.
    fn rest(&self) {
        let mut waiting = self.lock();
        waiting.wakes = WakesFor::Batch;
        let more = |waiting: &mut Waiting| !waiting.closed && waiting.text.len() < BATCH_BYTES;
        let rested = self.wake.wait_timeout_while(waiting, REST, more);
        waiting = rested.unwrap_or_else(PoisonError::into_inner).0;
        waiting.wakes = WakesFor::Nothing;
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
fn drain(queue: &Queue, mut target: Target, lost: &AtomicU64) {
    let mut empty = Vec::new();
    while let Some((mut text, lines)) = queue.take(empty) {
        if target.write(&text).is_err() {
            lost.fetch_add(lines, Ordering::Relaxed);
        }
        text.clear();
        // What one burst needed is not kept for ever.
        text.shrink_to(2 * BATCH_BYTES);
        empty = text;
        queue.rest();
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
            sink.write(b"line\n");
        }
        drop(sink);
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
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
            let deadline = std::time::Instant::now() + Duration::from_secs(5);
            while std::fs::read_to_string(path).unwrap_or_default() != is {
                assert!(std::time::Instant::now() < deadline, "{} is not {is:?}", path.display());
                std::thread::yield_now();
            }
        };
        let (_, _) = (std::fs::remove_file(&path), std::fs::remove_file(&old));
        let reopen = Reopen::default();
        let file = AccessLogSink::File(path.to_str().unwrap().into());
        let sink = Sink::open(&file, Arc::default(), reopen.clone()).unwrap();
        sink.write(b"one\n");
        text(&path, "one\n");
        std::fs::rename(&path, &old).unwrap();
        sink.write(b"two\n");
        text(&old, "one\ntwo\n");
        reopen.ask();
        sink.write(b"three\n");
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
