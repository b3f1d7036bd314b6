//! Who gets which configuration: one entry for each workload whose proxy is connected, and for each gRPC library. A new world reaches only proxies
//! whose snapshot it changes; if only workloads differ in it, no other is even looked at. What a snapshot holds is [`crate::translate`]; how it travels is `ripstop_xds`.
//!
//! A proxy has zero or one pending push: the channel of an entry holds the newest snapshot, and later ones take its
//! place. Entries go when their last stream ends, so there are never more than workloads and [`MAX_LIBRARIES`].

mod admit;
mod clients;
mod entry;
mod readers;
mod report;
mod rollout;
#[cfg(test)]
mod tests;
mod totals;
mod translator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::Node;
use ripstop_xds::EncodedSnapshot;
use ripstop_xds::server::{OpenSecrets, Peer, Refusal, StreamStatus, View, ViewSource};
use ripstop_yaml::Problem;
use tokio::sync::{Notify, watch};

use crate::serve::{InForce, SecretMaker};
use crate::translate::{Pieces, ProxyRef, UnknownProxy};
use crate::world::{Difference, World};
use admit::Admitted;
use entry::{Entry, Stream};
use readers::Readers;
use rollout::{Rollout, Rollouts};
use totals::Totals;
use translator::Translator;

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
    translator: Mutex<Translator>,
    /// Rung when a world was pushed, and when a proxy has answered for one.
    bell: Arc<Notify>,
}

struct State {
    entries: BTreeMap<ProxyRef, Entry>,
    readers: Readers,
    /// What was pushed last, and its number.
    world: Arc<World>,
    revision: u64,
    totals: Totals,
    /// Warnings of translations that have been logged, as texts: those that hold for connected proxies.
    logged: BTreeSet<String>,
    rollouts: Rollouts,
    closed: bool,
}

/// A connected proxy and what it is shown.
type Held = (Arc<ProxyRef>, Arc<EncodedSnapshot>);

/// What a world means for one proxy.
struct Translated {
    revision: u64,
    encoded: Arc<EncodedSnapshot>,
    /// `None`: those from before hold.
    warnings: Option<Vec<Problem>>,
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
        let (revision, world) = {
            let first = in_force.borrow();
            (first.revision, Arc::clone(&first.world))
        };
        let state = Mutex::new(State {
            entries: BTreeMap::new(),
            readers: Readers::default(),
            world: Arc::clone(&world),
            revision,
            totals: Totals::default(),
            logged: BTreeSet::new(),
            rollouts: Rollouts::after(revision),
            closed: false,
        });
        let translator = Mutex::new(Translator::new(world));
        Hub(Arc::new(Shared { in_force, secrets, state, translator, bell: Arc::default() }))
    }

    /// Pushes a world that has just come into force to the proxies that it concerns. Call it for each in turn, not side
    /// by side. If only workloads differ, it works for as long as it takes to look at those that call them; otherwise for as
    /// long as translating for all connected proxies takes.
    pub(crate) fn apply(&self, in_force: Arc<InForce>) {
        let begun = Instant::now();
        let (difference, concerned) = self.lock().concerned(&in_force.world);
        let connected = concerned.len();
        let mut pushed = Vec::new();
        for (proxy, previous) in concerned {
            let translated = self.translated(&in_force, &proxy, &difference, &previous);
            if self.update(&proxy, &in_force, translated) {
                pushed.push(ProxyRef::clone(&proxy));
            }
        }
        self.translator().tidy();
        let count = pushed.len();
        let took = begun.elapsed();
        let mut state = self.lock();
        state.finish(&in_force, connected);
        state.totals.count_apply(took);
        state.rollouts.add(Rollout { revision: in_force.revision, begun: in_force.begun, concerned: pushed });
        drop(state);
        self.0.bell.notify_waiters();
        tracing::info!(
            revision = in_force.revision,
            proxies = count,
            took_ms = took.as_millis(),
            "configuration pushed"
        );
    }

    /// What a world means for a proxy of which `difference` is all that may be new.
    fn translated(
        &self,
        in_force: &InForce,
        proxy: &ProxyRef,
        difference: &Difference,
        previous: &EncodedSnapshot,
    ) -> Result<Translated, UnknownProxy> {
        let mut translator = self.translator();
        let pieces = translator.at(&in_force.world);
        if !difference.everything && !difference.workloads.contains(&proxy.workload_key()) {
            let clean = self.lock().entries.get(proxy).is_some_and(|entry| entry.warnings().is_empty());
            let hosts = &difference.hosts;
            let refreshed = clean.then(|| pieces.refresh(&in_force.world, proxy, hosts, previous)).flatten();
            if let Some(encoded) = refreshed {
                return Ok(Translated {
                    revision: in_force.revision,
                    encoded: Arc::new(encoded),
                    warnings: None,
                });
            }
        }
        translate_for(pieces, in_force, proxy, Some(previous))
    }

    /// Ends every stream, and refuses new ones.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let entries = std::mem::take(&mut state.entries);
        state.readers = Readers::default();
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
                state.remove(proxy);
                return false;
            }
        };
        log_new(&mut state.logged, proxy, translated.warnings.as_deref().unwrap_or_default());
        let before = entry.current();
        let changed = entry.update(translated);
        if changed {
            let after = entry.current();
            let proxy = Arc::clone(entry.proxy());
            state.readers.replace(&proxy, Some(&before), Some(&after));
        }
        state.totals.count_push(changed);
        changed
    }

    /// The stream of a proxy that was let in; its entry is made if it is the first.
    fn join(&self, node: &Node, admitted: &Admitted) -> Result<View, Refusal> {
        let Admitted { proxy, identity } = admitted;
        loop {
            {
                let mut state = self.lock();
                if state.entries.contains_key(proxy) {
                    return state.subscribe(node, admitted, &self.0.bell);
                }
            }
            let in_force = Arc::clone(&self.0.in_force.borrow());
            let fresh = {
                let mut translator = self.translator();
                let fresh = translate_for(translator.at(&in_force.world), &in_force, proxy, None);
                translator.tidy();
                fresh.map_err(|error| Refusal(error.to_string()))?
            };
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
            log_new(&mut state.logged, proxy, fresh.warnings.as_deref().unwrap_or_default());
            let shared = Arc::new(proxy.clone());
            let entry = Entry::new(Arc::clone(&shared), identity.clone(), fresh, |sender| {
                self.reap_when_unused(proxy, sender)
            });
            state.readers.replace(&shared, None, Some(&entry.current()));
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
                let mut state = hub.lock();
                // A new stream may have come between.
                if sender.receiver_count() == 0 {
                    state.remove(&proxy);
                    return;
                }
            }
        });
        task.abort_handle()
    }

    /// Never locked while the state is.
    fn translator(&self) -> MutexGuard<'_, Translator> {
        self.0.translator.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What differs in a world from the one that was pushed before, and the proxies for which that may mean anything. From
    /// now on it is the one that was pushed.
    fn concerned(&mut self, world: &Arc<World>) -> (Difference, Vec<Held>) {
        let difference = self.world.difference(world);
        self.world = Arc::clone(world);
        let found = |entry: &Entry| (Arc::clone(entry.proxy()), entry.current());
        if difference.everything {
            return (difference, self.entries.values().map(found).collect());
        }
        let own =
            difference.workloads.iter().map(|key| ProxyRef::new(key.namespace.clone(), key.name.clone()));
        let mut proxies: BTreeSet<Arc<ProxyRef>> = own.map(Arc::new).collect();
        for host in &difference.hosts {
            proxies.extend(self.readers.of(host).cloned());
        }
        let entries = proxies.iter().filter_map(|proxy| self.entries.get(&**proxy)).map(found).collect();
        (difference, entries)
    }

    /// A world has been pushed; `asked` proxies were looked at, and nothing is new for the others.
    fn finish(&mut self, in_force: &InForce, asked: usize) {
        self.revision = in_force.revision;
        self.totals.count_unchanged(self.entries.len().saturating_sub(asked));
        if !self.logged.is_empty() {
            self.forget_logged();
        }
    }

    /// Takes a proxy away.
    fn remove(&mut self, proxy: &ProxyRef) {
        let Some(entry) = self.entries.remove(proxy) else { return };
        self.readers.replace(entry.proxy(), Some(&entry.current()), None);
        self.totals.absorb_all(&entry);
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
    pieces: &mut Pieces,
    in_force: &InForce,
    proxy: &ProxyRef,
    previous: Option<&EncodedSnapshot>,
) -> Result<Translated, UnknownProxy> {
    let (encoded, warnings) = pieces.translate(&in_force.world, proxy, previous)?;
    Ok(Translated { revision: in_force.revision, encoded: Arc::new(encoded), warnings: Some(warnings) })
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
