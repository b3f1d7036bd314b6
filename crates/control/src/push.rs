//! Who gets which configuration: one entry for each workload whose proxy is connected, and for each gRPC library. A new world reaches only proxies
//! whose snapshot it changes. What a snapshot holds is [`crate::translate`]; how it travels is `ripstop_xds`.
//!
//! A proxy has zero or one pending push: the channel of an entry holds the newest snapshot, and later ones take its
//! place. Entries go when their last stream ends, so there are never more than workloads and [`MAX_LIBRARIES`].

mod admit;
mod entry;
mod report;
mod rollout;
mod share;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::{Node, Snapshot};
use ripstop_xds::server::{OpenSecrets, Peer, Refusal, StreamStatus, View, ViewSource};
use ripstop_xds::{EncodedSnapshot, encode_snapshot};
use ripstop_yaml::Problem;
use tokio::sync::{Notify, watch};

use crate::serve::{InForce, SecretMaker};
use crate::translate::{ProxyRef, UnknownProxy, translate};
use admit::Admitted;
use entry::{Entry, Stream};
use rollout::{Rollout, Rollouts};
use totals::Totals;

pub(crate) use report::{HubReport, ProxyReport, StreamView};
pub(crate) use rollout::{NoRollout, RolloutReport, Standing};

/// Most streams of one workload at once: its proxy, and those that it has lost and not yet noticed.
const MAX_STREAMS_PER_PROXY: usize = 16;

/// Most gRPC libraries at once. They name themselves, so the documents do not bound their number.
const MAX_LIBRARIES: usize = 10_000;

/// All connected proxies. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    in_force: watch::Receiver<Arc<InForce>>,
    /// Makes secrets for proxies that ask for them; `None`: nobody gets any.
    secrets: Option<SecretMaker>,
    state: Mutex<State>,
    /// Rung when a world was pushed, and when a proxy has answered for one.
    bell: Arc<Notify>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<ProxyRef, Entry>,
    totals: Totals,
    /// Warnings of translations that have been logged, as texts: those that hold for connected proxies.
    logged: BTreeSet<String>,
    rollouts: Rollouts,
    closed: bool,
}

/// What a world means for one proxy.
struct Translated {
    revision: u64,
    encoded: Arc<EncodedSnapshot>,
    warnings: Vec<Problem>,
}

impl Hub {
    /// Nobody is connected. New proxies get what `in_force` holds when they come, and no secrets.
    #[cfg(test)]
    pub(crate) fn new(in_force: watch::Receiver<Arc<InForce>>) -> Hub {
        Hub::open(in_force, None)
    }

    /// Nobody is connected. New proxies get what `in_force` holds when they come, and can have their identity over ADS.
    pub(crate) fn with_secrets(in_force: watch::Receiver<Arc<InForce>>, secrets: SecretMaker) -> Hub {
        Hub::open(in_force, Some(secrets))
    }

    fn open(in_force: watch::Receiver<Arc<InForce>>, secrets: Option<SecretMaker>) -> Hub {
        let rollouts = Rollouts::after(in_force.borrow().revision);
        let state = Mutex::new(State { rollouts, ..State::default() });
        Hub(Arc::new(Shared { in_force, secrets, state, bell: Arc::default() }))
    }

    /// Pushes a world that has just come into force to the proxies that it concerns. Call it for each in turn, not side
    /// by side; it works for as long as translating for all connected proxies takes.
    pub(crate) fn apply(&self, in_force: Arc<InForce>) {
        let begun = Instant::now();
        let connected: Vec<(ProxyRef, Arc<EncodedSnapshot>)> = {
            let state = self.lock();
            state.entries.iter().map(|(proxy, entry)| (proxy.clone(), entry.current())).collect()
        };
        let mut concerned = Vec::new();
        for (proxy, previous) in connected {
            let translated = translate_for(&in_force, &proxy, Some(&previous));
            if self.update(&proxy, &in_force, translated) {
                concerned.push(proxy);
            }
        }
        let pushed = concerned.len();
        let took = begun.elapsed();
        let mut state = self.lock();
        state.totals.count_apply(took);
        state.forget_logged();
        state.rollouts.add(Rollout { revision: in_force.revision, begun: in_force.begun, concerned });
        drop(state);
        self.0.bell.notify_waiters();
        tracing::info!(
            revision = in_force.revision,
            proxies = pushed,
            took_ms = took.as_millis(),
            "configuration pushed"
        );
    }

    /// Ends every stream, and refuses new ones.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let entries = std::mem::take(&mut state.entries);
        for entry in entries.values() {
            state.totals.absorb_all(entry);
        }
    }

    /// How things stand.
    pub(crate) fn report(&self) -> HubReport {
        report::report(&mut self.lock())
    }

    /// What a connected proxy is shown.
    pub(crate) fn shown(&self, proxy: &ProxyRef) -> Option<Arc<EncodedSnapshot>> {
        self.lock().entries.get(proxy).map(Entry::current)
    }

    /// Whether a proxy of this workload is connected.
    pub(crate) fn is_connected(&self, proxy: &ProxyRef) -> bool {
        self.lock().entries.contains_key(proxy)
    }

    /// Says whether something was pushed.
    fn update(
        &self,
        proxy: &ProxyRef,
        in_force: &InForce,
        translated: Result<Translated, UnknownProxy>,
    ) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(entry) = state.entries.get_mut(proxy) else { return false };
        let identity = admit::identity(&in_force.world, proxy, entry.identity());
        let translated = match translated {
            Ok(translated) if identity.as_ref() == entry.identity() => translated,
            // What was proved is not what is asked for any more: the streams end, and whoever comes back is told why.
            _ => {
                tracing::info!(%proxy, "its workload is gone or has another identity: disconnected");
                if let Some(entry) = state.entries.remove(proxy) {
                    state.totals.absorb_all(&entry);
                }
                return false;
            }
        };
        log_new(&mut state.logged, proxy, &translated.warnings);
        let changed = entry.update(translated);
        state.totals.count_push(changed);
        changed
    }

    /// The stream of a proxy that was let in; its entry is made if it is the first.
    fn join(&self, node: &Node, admitted: &Admitted) -> Result<View, Refusal> {
        let Admitted { proxy, identity } = admitted;
        loop {
            // Whatever another proxy has already, this one shares.
            let similar = {
                let mut state = self.lock();
                if state.entries.contains_key(proxy) {
                    return state.subscribe(node, admitted, &self.0.bell);
                }
                state.entries.values().next().map(Entry::current)
            };
            let in_force = Arc::clone(&self.0.in_force.borrow());
            let fresh = translate_for(&in_force, proxy, similar.as_deref());
            let fresh = fresh.map_err(|error| Refusal(error.to_string()))?;
            let mut guard = self.lock();
            let state = &mut *guard;
            // Another world, or another stream of this proxy, may have come meanwhile.
            let stale = self.0.in_force.borrow().revision != fresh.revision;
            if stale || state.entries.contains_key(proxy) {
                continue;
            }
            if proxy.library.is_some() && state.libraries() >= MAX_LIBRARIES {
                return Err(Refusal(format!("{MAX_LIBRARIES} gRPC libraries are connected already")));
            }
            log_new(&mut state.logged, proxy, &fresh.warnings);
            let entry = Entry::new(identity.clone(), fresh, |sender| self.reap_when_unused(proxy, sender));
            state.entries.insert(proxy.clone(), entry);
            state.totals.count_push(true);
            return state.subscribe(node, admitted, &self.0.bell);
        }
    }

    /// A task that removes the entry when nobody looks at `sender` any more. It is aborted with the entry.
    fn reap_when_unused(
        &self,
        proxy: &ProxyRef,
        sender: watch::Sender<Arc<EncodedSnapshot>>,
    ) -> tokio::task::AbortHandle {
        let (hub, proxy) = (Arc::downgrade(&self.0), proxy.clone());
        let task = tokio::spawn(async move {
            loop {
                sender.closed().await;
                let Some(hub) = hub.upgrade().map(Hub) else { return };
                let mut guard = hub.lock();
                let state = &mut *guard;
                // A new stream may have come between.
                if sender.receiver_count() == 0 {
                    if let Some(entry) = state.entries.remove(&proxy) {
                        state.totals.absorb_all(&entry);
                    }
                    return;
                }
            }
        });
        task.abort_handle()
    }

    /// Whatever panics, the maps are whole between statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens a stream of a proxy that has an entry.
    fn subscribe(&mut self, node: &Node, admitted: &Admitted, bell: &Arc<Notify>) -> Result<View, Refusal> {
        let proxy = &admitted.proxy;
        if self.closed {
            return Err(Refusal("the control plane is ending; connect again".to_owned()));
        }
        // What a library sees does not depend on who it is beyond its namespace, which is part of its name.
        let may =
            |entry: &&mut Entry| proxy.library.is_some() || entry.identity() == admitted.identity.as_ref();
        let entry = self.entries.get_mut(proxy).filter(may);
        // The world has changed since the proxy was let in, and what that means for it is being found out.
        let entry = entry.ok_or_else(|| Refusal(format!("{proxy} is changing; connect again")))?;
        entry.prune(&mut self.totals);
        if entry.streams().len() >= MAX_STREAMS_PER_PROXY {
            return Err(Refusal(format!("{proxy} has {MAX_STREAMS_PER_PROXY} streams already")));
        }
        let status = Arc::new(StreamStatus::ringing(Arc::clone(bell)));
        let snapshots = entry.subscribe();
        entry.add(Stream::new(node, Arc::clone(&status)));
        Ok(View { snapshots, status, secrets: None })
    }

    fn libraries(&self) -> usize {
        self.entries.keys().filter(|proxy| proxy.library.is_some()).count()
    }

    /// Forgets logged warnings that hold for nobody any more.
    fn forget_logged(&mut self) {
        let texts = self.entries.values().flat_map(|entry| entry.warnings()).map(Problem::to_string);
        let in_force: BTreeSet<String> = texts.collect();
        self.logged.retain(|text| in_force.contains(text));
    }
}

impl ViewSource for Hub {
    fn connect(&self, node: &Node, peer: &Peer) -> Result<View, Refusal> {
        let world = Arc::clone(&self.0.in_force.borrow().world);
        let view = admit::admit(&world, node, peer).and_then(|admitted| {
            let view = self.join(node, &admitted)?;
            // A key is given to whoever has proved that it is its own, not to who is taken at its word.
            let (Peer::Proved(proved), Some(maker)) = (peer, self.0.secrets.clone()) else { return Ok(view) };
            let proved = proved.clone();
            let secrets: OpenSecrets = Box::new(move || maker.open(proved));
            Ok(View { secrets: Some(secrets), ..view })
        });
        if view.is_err() {
            self.lock().totals.count_refused();
        }
        view
    }
}

fn translate_for(
    in_force: &InForce,
    proxy: &ProxyRef,
    previous: Option<&EncodedSnapshot>,
) -> Result<Translated, UnknownProxy> {
    let (mut snapshot, warnings) = translate(&in_force.world, proxy)?;
    let none = Snapshot::default();
    share::share(&mut snapshot, previous.map_or(&none, EncodedSnapshot::source));
    let encoded = Arc::new(encode_snapshot(&snapshot, previous));
    Ok(Translated { revision: in_force.revision, encoded, warnings })
}

fn log_new(logged: &mut BTreeSet<String>, proxy: &ProxyRef, warnings: &[Problem]) {
    for warning in warnings {
        if logged.insert(warning.to_string()) {
            tracing::warn!(%proxy, "{warning}");
        }
    }
}

/// Seconds, for metrics.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
