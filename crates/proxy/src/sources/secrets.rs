//! Follows servers of secrets: a stream for each secret that something names, as long as something does.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Snapshot;
use ripstop_model::tls::{SecretRef, SecretSource};
use ripstop_xds::client::{Introduction, Link, Protocol, Update, WantedSecrets, follow_secret};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::SourceError;
use super::channel::to_cluster;
use crate::tls::TlsContexts;

/// Most streams at once; secrets beyond that are not asked for, which is told in the log.
pub const MAX_SECRET_STREAMS: usize = 1_000;

/// Secrets that have come and were not passed on yet.
const MAX_WAITING: usize = 16;

/// Ends when nobody wants secrets any more. The clusters are those of `fixed`: what a server of secrets is, a file says.
///
/// A secret counts at once, not with the next configuration: the control plane that sends the first one may ask for it.
pub async fn follow_secrets(
    mut wanted: watch::Receiver<WantedSecrets>,
    fixed: Arc<Snapshot>,
    introduction: Introduction,
    tls: TlsContexts,
    said: mpsc::Sender<Update>,
) {
    let mut open: BTreeMap<SecretRef, Following> = BTreeMap::new();
    let (sent, mut arrived) = mpsc::channel(MAX_WAITING);
    loop {
        let secrets = wanted.borrow_and_update().clone();
        open.retain(|secret, _| secrets.contains(secret));
        for secret in secrets {
            if open.contains_key(&secret) {
                continue;
            }
            if open.len() >= MAX_SECRET_STREAMS {
                tracing::error!(secret = &*secret.name, "not asked for: {MAX_SECRET_STREAMS} others are");
                break;
            }
            match link(&secret, &fixed, &introduction, &tls) {
                Ok(link) => {
                    let task = tokio::spawn(follow_secret(link, secret.clone(), sent.clone()));
                    open.insert(secret, Following(task.abort_handle()));
                }
                Err(error) => tracing::error!(secret = &*secret.name, %error, "cannot be asked for"),
            }
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                return;
            },
            Some(update) = arrived.recv() => {
                if let Update::Secret(reference, secret) = &update {
                    tls.lock().add_secret(reference.clone(), Arc::new(secret.clone()));
                }
                if said.send(update).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A stream that ends when this is dropped.
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn link(
    secret: &SecretRef,
    fixed: &Snapshot,
    introduction: &Introduction,
    tls: &TlsContexts,
) -> Result<Link, SourceError> {
    let SecretSource::Server { cluster: name } = &secret.source else {
        return Err(SourceError::NoCluster("".into()));
    };
    let cluster = fixed.clusters.get(name).ok_or_else(|| SourceError::NoCluster(name.clone()))?;
    let mut channels = to_cluster(cluster, tls)?.into_iter();
    let first = channels.next().ok_or_else(|| SourceError::NoEndpoint(name.clone()))?;
    let link = Link::new(first, Protocol::StateOfTheWorld { names_node_once: true }, introduction.clone());
    Ok(channels.fold(link, Link::or_by))
}
