//! Follows what the authority announces: takes new roots the moment they are announced, confirms them, and shows each new
//! certificate by opening the stream anew. Between two streams the next one is there before the last one goes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ripstop_model::spiffe::SpiffeId;
use tokio::sync::watch;

use super::reconnect::Reconnect;
use crate::authority::{Announcement, Authority};
use crate::channel::connect;
use crate::service::{RequestError, TrustStream};
use crate::svid::IdentityHandle;
use crate::tls::{Present, control_client_config};
use crate::trust::Trust;

/// What an agent knows of its authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Upstream {
    /// Whether it can be reached.
    pub(super) connected: bool,
    /// Key identifier of the issuer that signs.
    pub(super) issuer: Option<String>,
}

/// Is told of new roots, and is done when whoever else uses them has taken them.
pub type Confirm = Arc<dyn Fn(Trust) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One proxy that follows.
pub(super) struct Follow {
    pub(super) address: String,
    pub(super) control: SpiffeId,
    pub(super) identity: IdentityHandle,
    pub(super) instance: String,
    pub(super) confirm: Option<Confirm>,
}

impl Follow {
    /// Follows for ever.
    pub(super) async fn run(self, upstream: watch::Sender<Upstream>) {
        let mut reconnect = Reconnect::default();
        let mut dice = fastrand::Rng::new();
        self.identity.ready().await;
        loop {
            let (error, wait) = match self.open().await {
                Ok(stream) => (self.follow(stream, &upstream).await, reconnect.lost(&mut dice)),
                Err(error) => (error, reconnect.failed(&mut dice)),
            };
            upstream.send_if_modified(|upstream| std::mem::take(&mut upstream.connected));
            tracing::info!(%error, ?wait, "the authority is not followed");
            tokio::time::sleep(wait).await;
        }
    }

    async fn open(&self) -> Result<TrustStream, RequestError> {
        let tls = control_client_config(&self.identity, self.control.clone(), Present::CurrentSvid);
        let unusable = |error: String| RequestError::Unreachable(error);
        let tls = tls.map_err(|error| unusable(error.to_string()))?;
        let channel = connect(&self.address, tls).map_err(|error| unusable(error.to_string()))?;
        let trust = self.identity.trust();
        let domain = trust.trust_domain().clone();
        // Whoever else uses the roots may not have taken them.
        let version = if self.confirm.is_some() { String::new() } else { trust.version() };
        TrustStream::open(channel, domain, &self.instance, version).await
    }

    async fn follow(&self, mut stream: TrustStream, upstream: &watch::Sender<Upstream>) -> RequestError {
        let mut changes = self.identity.subscribe();
        let mut shown = self.serial();
        // What was taken and is to be confirmed.
        let mut taken: Option<Pin<Box<dyn Future<Output = String> + Send>>> = None;
        loop {
            tokio::select! {
                announced = stream.next() => {
                    let announcement = match announced {
                        Ok(announcement) => announcement,
                        Err(error) => return error,
                    };
                    take(&self.identity, &announcement);
                    taken = Some(self.taken(&announcement));
                    upstream.send_modify(|upstream| {
                        upstream.connected = true;
                        upstream.issuer = Some(announcement.issuer);
                    });
                }
                version = confirmed(&mut taken) => {
                    taken = None;
                    if let Err(error) = stream.confirm(&version).await {
                        return error;
                    }
                }
                _ = changes.changed() => {
                    let serial = self.serial();
                    if serial != shown {
                        match self.open().await {
                            Ok(next) => stream = next,
                            Err(error) => return error,
                        }
                        shown = serial;
                    }
                }
            }
        }
    }

    /// Gives the version when everybody has taken it.
    fn taken(&self, announcement: &Announcement) -> Pin<Box<dyn Future<Output = String> + Send>> {
        let version = announcement.version.clone();
        let others = self.confirm.as_ref().map(|confirm| confirm(announcement.trust.clone()));
        Box::pin(async move {
            if let Some(others) = others {
                others.await;
            }
            version
        })
    }

    fn serial(&self) -> Option<String> {
        self.identity.svid().map(|svid| svid.serial().to_owned())
    }
}

/// Follows the authority of this very process for ever. Its own certificate is renewed by whoever carries out a succession.
pub(super) async fn follow_local(
    authority: Arc<Authority>,
    identity: IdentityHandle,
    upstream: watch::Sender<Upstream>,
) {
    let mut announced = authority.announced();
    drop(authority);
    upstream.send_modify(|upstream| upstream.connected = true);
    announced.mark_changed();
    while announced.changed().await.is_ok() {
        let announcement = Arc::clone(&announced.borrow_and_update());
        take(&identity, &announcement);
    }
}

async fn confirmed(taken: &mut Option<Pin<Box<dyn Future<Output = String> + Send>>>) -> String {
    match taken {
        Some(taken) => taken.await,
        None => std::future::pending().await,
    }
}

fn take(identity: &IdentityHandle, announcement: &Announcement) {
    if *identity.trust() != announcement.trust {
        let roots = announcement.trust.bundle().roots().len();
        tracing::info!(version = announcement.version, roots, "new roots are trusted");
        identity.replace_trust(announcement.trust.clone());
    }
}
