//! Secrets over ADS, for proxies that have no agent of ours: certificate, key and roots of the very identity that the stream has
//! proved. The key is made here for this stream alone, kept nowhere, and renewed as an agent would.

use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::authority::Authority;
use ripstop_identity::clock::Clock;
use ripstop_identity::rotation::{Rotation, Validity};
use ripstop_identity::secrets;
use ripstop_identity::svid::Svid;
use ripstop_model::SpiffeId;
use ripstop_xds::server::EncodedSecrets;
use tokio::sync::watch;

/// The wall clock is looked at this often at least.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Makes secrets for streams.
#[derive(Clone, Debug)]
pub(crate) struct SecretMaker {
    /// Who signs.
    pub(crate) authority: Arc<Authority>,
    /// How long certificates live.
    pub(crate) lifetime: Duration,
    /// The time.
    pub(crate) clock: Clock,
}

impl SecretMaker {
    /// The secrets of `id`, and every change of them, as long as somebody looks at them.
    pub(crate) fn open(&self, id: SpiffeId) -> watch::Receiver<Arc<EncodedSecrets>> {
        let (sender, receiver) = watch::channel(Arc::default());
        tokio::spawn(self.clone().keep(id, sender));
        receiver
    }

    async fn keep(self, id: SpiffeId, sender: watch::Sender<Arc<EncodedSecrets>>) {
        let mut announced = self.authority.announced();
        let mut dice = fastrand::Rng::new();
        let mut rotation = Rotation::new(self.clock.now());
        let mut held: Option<Svid> = None;
        loop {
            let now = self.clock.now();
            let announcement = Arc::clone(&announced.borrow_and_update());
            let outdated = |svid: &Svid| svid.issued_by() != Some(announcement.issuer.as_str());
            if held.as_ref().is_some_and(outdated) {
                rotation.hasten(now, &mut dice);
            }
            if rotation.wait(now).is_zero() {
                match self.authority.issue_followed(&id, self.lifetime, now) {
                    Ok(svid) => {
                        let validity =
                            Validity { not_before: svid.not_before(), not_after: svid.not_after() };
                        rotation.issued(validity, now, &mut dice);
                        if let Some(before) = held.replace(svid) {
                            self.authority.replaced(before.serial());
                        }
                    }
                    Err(error) => {
                        rotation.failed(now, &mut dice);
                        tracing::error!(%id, %error, "no certificate for a proxy that asks over ADS");
                    }
                }
            }
            if let Some(svid) = &held {
                let both = [secrets::certificate(svid), secrets::roots(&announcement.trust)];
                sender.send_replace(Arc::new(EncodedSecrets::new(&both)));
            }
            let wait = rotation.wait(self.clock.now()).min(LONGEST_SLEEP);
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(wait) => {}
                changed = announced.changed() => if changed.is_err() { return },
            }
        }
    }
}
