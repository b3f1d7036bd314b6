//! The loop around the sessions: opens streams for ever, moves messages, takes what files say, and hands out snapshots.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::Snapshot;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::Status;

use super::backoff::Backoff;
use super::dialect::{Dialect, Stream};
use super::following::{Following, Update, WantedFiles, WantedSecrets};
use super::graph::Graph;
use super::holdings::Holdings;
use super::link::{Link, Protocol};
use super::status::ClientStatus;
use super::trial::{TakeAll, Trial};

/// A stream that lasted this long was good, even if there was nothing to say on it.
pub(super) const GOOD_STREAM: Duration = Duration::from_secs(30);

/// What a client is connected with on the inside.
pub struct Ends {
    /// Gets every whole snapshot.
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    /// Gets the files that have to be followed, whenever they change.
    pub files: watch::Sender<WantedFiles>,
    /// Gets the secrets that servers of secrets have to be asked for, whenever they change.
    pub secrets: watch::Sender<WantedSecrets>,
    /// What those files and servers say.
    pub updates: mpsc::Receiver<Update>,
    /// How the client is doing.
    pub status: Arc<ClientStatus>,
    /// Who says whether a resource can be put in force.
    pub trial: Box<dyn Trial>,
}

impl Ends {
    /// For a client that follows ADS alone and takes whatever it understands.
    pub fn of_ads(snapshots: watch::Sender<Option<Arc<Snapshot>>>, status: Arc<ClientStatus>) -> Ends {
        let (_, updates) = mpsc::channel(1);
        let (files, secrets) = (watch::Sender::default(), watch::Sender::default());
        Ends { snapshots, files, secrets, updates, status, trial: Box::new(TakeAll) }
    }
}

/// Follows what `following` says until `shutdown` completes, and hands out every whole snapshot. While there is no stream to
/// the control plane behind `link`, the last snapshot stays.
///
/// The channels should have HTTP/2 keep-alive switched on, or a control plane that vanished without a word is noticed late.
pub async fn run(
    following: Following,
    link: Option<Link>,
    mut ends: Ends,
    shutdown: impl Future<Output = ()>,
) {
    let trial = std::mem::replace(&mut ends.trial, Box::new(TakeAll));
    let holdings = Holdings::new(Graph::new(following), Arc::clone(&ends.status), trial);
    let client = Client { holdings, has_files: true, ends };
    tokio::select! {
        () = client.follow(link) => {}
        () = shutdown => {}
    }
}

struct Client {
    holdings: Holdings,
    ends: Ends,
    /// Somebody can still say something of files.
    has_files: bool,
}

impl Client {
    async fn follow(mut self, link: Option<Link>) {
        self.hand_out();
        let Some(mut link) = link else { return self.meanwhile(std::future::pending()).await };
        let mut dialect = Dialect::new(&link);
        let mut backoff = Backoff::default();
        let mut rng = fastrand::Rng::new();
        loop {
            let started = Instant::now();
            let before = self.ends.status.responses();
            let error = self.stream(&mut link, &mut dialect).await;
            self.holdings.graph.disconnected();
            if self.ends.status.responses() > before || started.elapsed() >= GOOD_STREAM {
                backoff.reset();
            }
            let wait = backoff.next(&mut rng);
            tracing::warn!(error = error.message(), code = ?error.code(), ?wait, "no stream to the control plane");
            self.ends.status.update(|report| {
                report.connected = false;
                report.last_error = Some(format!("{:?}: {}", error.code(), error.message()));
            });
            self.meanwhile(tokio::time::sleep(wait)).await;
        }
    }

    /// One stream, until it ends. Gives the reason.
    async fn stream(&mut self, link: &mut Link, dialect: &mut Dialect) -> Status {
        self.ends.status.update(|report| report.streams += 1);
        let first = dialect.connected(&mut self.holdings);
        let opened = self.meanwhile(Stream::open(link, first)).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(status) => return status,
        };
        self.ends.status.update(|report| report.connected = true);
        loop {
            let answers = tokio::select! {
                response = stream.next() => match response {
                    Ok(response) => dialect.receive(&mut self.holdings, response),
                    Err(status) => return status,
                },
                () = self.step() => dialect.resubscribe(&mut self.holdings),
            };
            let sent = stream.send(answers);
            // What only the snapshot before was waiting for is wanted no longer.
            let sent = match self.hand_out() {
                true => sent.and_then(|()| stream.send(dialect.resubscribe(&mut self.holdings))),
                false => sent,
            };
            if let Err(status) = sent {
                return status;
            }
        }
    }

    /// Does what there is to do without a control plane until `future` completes.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        loop {
            tokio::select! {
                value = &mut future => return value,
                () = self.step() => drop(self.hand_out()),
            }
        }
    }

    /// Waits until a file says something, or until something was waited for long enough.
    async fn step(&mut self) {
        let deadline = self.holdings.graph.deadline().map(Instant::from_std);
        tokio::select! {
            update = self.ends.updates.recv(), if self.has_files => match update {
                Some(update) => self.holdings.take(update),
                None => self.has_files = false,
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            else => std::future::pending().await,
        }
    }

    /// Hands out a snapshot, if there is a new one, and says which files are wanted.
    fn hand_out(&mut self) -> bool {
        let snapshot = self.holdings.emit(Instant::now().into_std());
        replace(&self.ends.files, self.holdings.graph.wanted_files());
        replace(&self.ends.secrets, self.holdings.graph.wanted_secrets());
        let is_new = snapshot.is_some();
        if let Some(snapshot) = snapshot {
            self.ends.snapshots.send_replace(Some(snapshot));
        }
        is_new
    }
}

/// Tells a change alone.
fn replace<T: PartialEq>(told: &watch::Sender<T>, now: T) {
    told.send_if_modified(|before| {
        let changed = *before != now;
        if changed {
            *before = now;
        }
        changed
    });
}

impl Dialect {
    fn new(link: &Link) -> Dialect {
        match link.protocol {
            Protocol::Delta => Dialect::delta(link.introduction.clone()),
            Protocol::StateOfTheWorld { names_node_once } => {
                Dialect::state_of_the_world(link.introduction.clone(), names_node_once)
            }
        }
    }
}
