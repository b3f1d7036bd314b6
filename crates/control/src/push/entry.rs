//! One connected proxy: its newest snapshot and the streams that are shown it.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::{Node, SpiffeId};
use ripstop_xds::EncodedSnapshot;
use ripstop_xds::server::StreamStatus;
use ripstop_yaml::Problem;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Translated;
use super::totals::Totals;
use crate::translate::ProxyRef;

/// Longest kept text of what a proxy says about itself, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// One stream.
pub(super) struct Stream {
    /// The node id.
    pub(super) node: String,
    /// Name and version of the proxy's software.
    pub(super) user_agent: String,
    /// What became of it. Whoever serves the stream holds the other reference as long as it lasts.
    pub(super) status: Arc<StreamStatus>,
}

impl Stream {
    /// A stream of a proxy that has introduced itself as `node`.
    pub(super) fn new(node: &Node, status: Arc<StreamStatus>) -> Stream {
        let shortened = |text: &str| text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned();
        Stream { node: shortened(&node.id), user_agent: shortened(&node.user_agent), status }
    }

    /// Nobody serves it any more.
    pub(super) fn has_ended(&self) -> bool {
        Arc::strong_count(&self.status) == 1
    }
}

/// What one proxy is shown.
pub(super) struct Entry {
    proxy: Arc<ProxyRef>,
    identity: Option<SpiffeId>,
    sender: watch::Sender<Arc<EncodedSnapshot>>,
    /// The revision that the snapshot is made of.
    revision: u64,
    /// The revision that changed the snapshot last.
    changed_in: u64,
    /// When that was pushed.
    pushed_at: Instant,
    warnings: Vec<Problem>,
    streams: Vec<Stream>,
    reaper: AbortHandle,
}

impl Entry {
    /// No streams yet. `reap` gets a sender to watch and starts what removes the entry.
    pub(super) fn new(
        proxy: Arc<ProxyRef>,
        identity: Option<SpiffeId>,
        first: Translated,
        reap: impl FnOnce(watch::Sender<Arc<EncodedSnapshot>>) -> AbortHandle,
    ) -> Entry {
        let Translated { revision, encoded, warnings } = first;
        let sender = watch::Sender::new(encoded);
        let reaper = reap(sender.clone());
        Entry {
            proxy,
            identity,
            sender,
            revision,
            changed_in: revision,
            pushed_at: Instant::now(),
            warnings: warnings.unwrap_or_default(),
            streams: Vec::new(),
            reaper,
        }
    }

    /// Whose it is.
    pub(super) fn proxy(&self) -> &Arc<ProxyRef> {
        &self.proxy
    }

    /// Who it has proved to be, or its workload is.
    pub(super) fn identity(&self) -> Option<&SpiffeId> {
        self.identity.as_ref()
    }

    /// The newest snapshot.
    pub(super) fn current(&self) -> Arc<EncodedSnapshot> {
        Arc::clone(&self.sender.borrow())
    }

    /// The revision that the snapshot is made of, and the one that changed it last.
    pub(super) fn revisions(&self) -> (u64, u64) {
        (self.revision, self.changed_in)
    }

    /// When the newest snapshot was pushed.
    pub(super) fn pushed_at(&self) -> Instant {
        self.pushed_at
    }

    /// What could not be said as it was meant.
    pub(super) fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Streams that were added and not pruned.
    pub(super) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The newest snapshot and all later ones.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<EncodedSnapshot>> {
        self.sender.subscribe()
    }

    /// One stream more.
    pub(super) fn add(&mut self, stream: Stream) {
        self.streams.push(stream);
    }

    /// Takes what a newer world means for the proxy. Says whether anything in it is different, and only then pushes.
    pub(super) fn update(&mut self, translated: Translated) -> bool {
        let Translated { revision, encoded, warnings } = translated;
        // A proxy that connected while the world changed may have it already.
        if revision < self.revision {
            return false;
        }
        self.revision = revision;
        if let Some(warnings) = warnings {
            self.warnings = warnings;
        }
        let changed = !encoded.is(&self.sender.borrow());
        if changed {
            self.changed_in = revision;
            self.pushed_at = Instant::now();
            self.sender.send_replace(encoded);
        }
        changed
    }

    /// Forgets streams that have ended; what they counted goes to `totals`.
    pub(super) fn prune(&mut self, totals: &mut Totals) {
        self.streams.retain(|stream| {
            let ended = stream.has_ended();
            if ended {
                totals.absorb(&stream.status.report());
            }
            !ended
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.reaper.abort();
    }
}
