//! The contexts in use. They are looked through from time to time, and made anew when a file or a secret that they were
//! made of has changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use ripstop_model::tls::{Secret, SecretRef, SecretSource, TlsClient, TlsServer};

use super::ContextError;
use super::client::{ClientContext, ClientUse};
use super::material::{Inputs, Reader};
use super::server::ServerContext;
use crate::svid::IdentityHandle;

pub use super::material::ReadSecrets;

/// Where the context of the moment is found. Connections keep the one they began with.
pub struct Slot<T> {
    current: ArcSwapOption<T>,
    inputs: Mutex<Inputs>,
}

impl<T> Slot<T> {
    /// The context of the moment; `None`: a secret that it needs is not there yet.
    pub fn get(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    fn inputs(&self) -> std::sync::MutexGuard<'_, Inputs> {
        // A list of files is whole after a panic elsewhere.
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a slot is made of.
struct Held<C, T> {
    config: C,
    slot: Weak<Slot<T>>,
}

/// How often contexts were made anew, and how often that failed.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    /// A change was taken.
    pub succeeded: AtomicU64,
    /// A change was of no use; the context from before stays.
    pub failed: AtomicU64,
}

/// All contexts of a process.
pub struct Contexts {
    identity: Option<IdentityHandle>,
    read_secrets: ReadSecrets,
    secrets: BTreeMap<SecretRef, Arc<Secret>>,
    servers: Vec<Held<TlsServer, ServerContext>>,
    clients: Vec<Held<(TlsClient, ClientUse), ClientContext>>,
    counts: Arc<ReloadCounts>,
}

impl Contexts {
    /// No contexts yet. `read_secrets` reads the text of a file with secrets.
    pub fn new(identity: Option<IdentityHandle>, read_secrets: ReadSecrets) -> Contexts {
        Contexts {
            identity,
            read_secrets,
            secrets: BTreeMap::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            counts: Arc::default(),
        }
    }

    /// How often contexts were made anew.
    pub fn counts(&self) -> Arc<ReloadCounts> {
        Arc::clone(&self.counts)
    }

    /// The context of a listener. Where a secret is missing it is made when the secret comes.
    ///
    /// # Errors
    /// What is written in place is of no use.
    pub fn server(&mut self, tls: &TlsServer) -> Result<Arc<Slot<ServerContext>>, ContextError> {
        let mut reader = reader(&self.secrets, self.read_secrets);
        let made = ServerContext::compile(&mut reader, tls, self.identity.as_ref());
        let waits = tls.secrets().any(|secret| secret.source != SecretSource::Static);
        let slot = slot(made, reader.inputs, waits)?;
        self.servers.retain(|held| held.slot.strong_count() > 0);
        self.servers.push(Held { config: tls.clone(), slot: Arc::downgrade(&slot) });
        Ok(slot)
    }

    /// The context of a cluster. Where a secret is missing it is made when the secret comes.
    ///
    /// # Errors
    /// What is written in place is of no use.
    pub fn client(
        &mut self,
        tls: &TlsClient,
        used: ClientUse,
    ) -> Result<Arc<Slot<ClientContext>>, ContextError> {
        let mut reader = reader(&self.secrets, self.read_secrets);
        let made = ClientContext::compile(&mut reader, tls, &used, self.identity.as_ref());
        let waits = tls.secrets().any(|secret| secret.source != SecretSource::Static);
        let slot = slot(made, reader.inputs, waits)?;
        // What depends on no file and no secret is never looked at again.
        if *slot.inputs() != Inputs::default() || waits {
            self.clients.retain(|held| held.slot.strong_count() > 0);
            self.clients.push(Held { config: (tls.clone(), used), slot: Arc::downgrade(&slot) });
        }
        Ok(slot)
    }

    /// Takes the secrets that are known by name from now on, and makes anew what names one that is another now.
    pub fn replace_secrets(&mut self, secrets: &BTreeMap<SecretRef, Arc<Secret>>) {
        if self.secrets == *secrets {
            return;
        }
        let before = std::mem::replace(&mut self.secrets, secrets.clone());
        let after = &self.secrets;
        let changed = |secret: &SecretRef| before.get(secret) != after.get(secret);
        let servers = self.servers.iter().filter(|held| held.config.secrets().any(changed));
        let clients = self.clients.iter().filter(|held| held.config.0.secrets().any(changed));
        servers.for_each(|held| self.remake_server(held));
        clients.for_each(|held| self.remake_client(held));
    }

    /// Takes a secret beside those that are known, and makes anew what names it: for connections that have to be made before
    /// there is any configuration.
    pub fn add_secret(&mut self, reference: SecretRef, secret: Arc<Secret>) {
        let mut secrets = self.secrets.clone();
        secrets.insert(reference, secret);
        self.replace_secrets(&secrets);
    }

    /// Looks at all files, and makes anew what was made of one that has changed. Reads files: not for worker threads.
    pub fn refresh(&mut self) {
        self.servers.retain(|held| held.slot.strong_count() > 0);
        self.clients.retain(|held| held.slot.strong_count() > 0);
        for held in &self.servers {
            if held.slot.upgrade().is_some_and(|slot| slot.inputs().have_changed()) {
                self.remake_server(held);
            }
        }
        for held in &self.clients {
            if held.slot.upgrade().is_some_and(|slot| slot.inputs().have_changed()) {
                self.remake_client(held);
            }
        }
    }

    /// The contexts of listeners that are in use, for `/certs`.
    pub fn servers(&self) -> impl Iterator<Item = Arc<ServerContext>> {
        self.servers.iter().filter_map(|held| held.slot.upgrade()?.get())
    }

    /// The contexts of clusters that are in use and show or trust certificates of files, for `/certs`.
    pub fn clients(&self) -> impl Iterator<Item = Arc<ClientContext>> {
        self.clients.iter().filter_map(|held| held.slot.upgrade()?.get())
    }

    fn remake_server(&self, held: &Held<TlsServer, ServerContext>) {
        let Some(slot) = held.slot.upgrade() else { return };
        let mut reader = reader(&self.secrets, self.read_secrets);
        let made = ServerContext::compile(&mut reader, &held.config, self.identity.as_ref());
        self.take(&slot, made, reader.inputs);
    }

    fn remake_client(&self, held: &Held<(TlsClient, ClientUse), ClientContext>) {
        let Some(slot) = held.slot.upgrade() else { return };
        let mut reader = reader(&self.secrets, self.read_secrets);
        let (tls, used) = &held.config;
        let made = ClientContext::compile(&mut reader, tls, used, self.identity.as_ref());
        self.take(&slot, made, reader.inputs);
    }

    fn take<T>(&self, slot: &Slot<T>, made: Result<T, ContextError>, inputs: Inputs) {
        *slot.inputs() = inputs;
        match made {
            Ok(context) => {
                slot.current.store(Some(Arc::new(context)));
                self.counts.succeeded.fetch_add(1, Ordering::Relaxed);
                tracing::info!("certificates reloaded");
            }
            Err(error) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "changed certificates are of no use: those from before stay");
            }
        }
    }
}

fn reader(secrets: &BTreeMap<SecretRef, Arc<Secret>>, read_secrets: ReadSecrets) -> Reader<'_> {
    Reader { secrets, read_secrets, inputs: Inputs::default() }
}

fn slot<T>(made: Result<T, ContextError>, inputs: Inputs, waits: bool) -> Result<Arc<Slot<T>>, ContextError> {
    let current = match made {
        Ok(context) => ArcSwapOption::from_pointee(context),
        Err(error) if waits && error != ContextError::NoIdentity => {
            tracing::warn!(%error, "connections are refused until the secret is there");
            ArcSwapOption::empty()
        }
        Err(error) => return Err(error),
    };
    Ok(Arc::new(Slot { current, inputs: Mutex::new(inputs) }))
}
