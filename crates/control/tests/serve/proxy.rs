//! What a proxy does to get its configuration, without being one.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::agent::{Agent, RemoteAuthority, SvidSource, TokenSource};
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::clock::Clock;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{Present, control_client_config};
use ripstop_identity::token::JoinToken;
use ripstop_identity::{channel, control_identity};
use ripstop_model::{Node, Snapshot, SpiffeId, TrustDomain};
use ripstop_xds::client::{self, ClientStatus, Ends, Following, Introduction, Link, Protocol};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::eventually;
use crate::running::{Running, Scratch};

/// Knows the control plane by its trust root and has perhaps a certificate.
pub struct Workload {
    address: String,
    control: SpiffeId,
    pub identity: IdentityHandle,
}

impl Workload {
    pub fn newcomer(scratch: &Scratch, running: &Running) -> Workload {
        let domain = TrustDomain::new("cluster.local").unwrap();
        let root = fs::read_to_string(scratch.state().join("trust-root.pem")).unwrap();
        let bundle = TrustBundle::from_pem(domain.clone(), &root).unwrap();
        Workload {
            address: running.xds.to_string(),
            control: control_identity(&domain).unwrap(),
            identity: IdentityHandle::new(bundle),
        }
    }

    /// With a certificate that a join token of `name` gave it.
    pub async fn certified(scratch: &Scratch, running: &Running, name: &str) -> Workload {
        let workload = Workload::newcomer(scratch, running);
        workload.join(&running.token(name).await, Duration::ZERO).await.unwrap();
        workload
    }

    /// Asks for a certificate with a token; zero leaves the lifetime to the authority.
    pub async fn join(&self, token: &(String, SpiffeId), lifetime: Duration) -> Result<(), String> {
        let (token, id) = token;
        let token = TokenSource::Value(JoinToken::parse(token).unwrap());
        let remote = RemoteAuthority::new(self.address.clone(), self.control.clone(), lifetime, token);
        let source = SvidSource::Remote(remote);
        let dice = fastrand::Rng::new();
        let mut agent = Agent::new(id.clone(), source, self.identity.clone(), Clock::system(), dice);
        let joined = agent.renew_now().await;
        let error = agent.status().borrow().last_error.clone();
        if joined { Ok(()) } else { Err(error.unwrap()) }
    }

    /// A gRPC channel with the certificate.
    pub fn channel(&self) -> tonic::transport::Channel {
        let tls = control_client_config(&self.identity, self.control.clone(), Present::CurrentSvid).unwrap();
        channel::connect(&self.address, tls).unwrap()
    }

    /// Opens an ADS stream as `workload` and keeps it open.
    pub fn follow(&self, role: &str, workload: &str, present: Present) -> Follower {
        let tls = control_client_config(&self.identity, self.control.clone(), present).unwrap();
        let channel = channel::connect(&self.address, tls).unwrap();
        let node = Node {
            id: format!("{role}~127.0.0.1~{workload}.default~default.svc.cluster.local"),
            user_agent: "test".to_owned(),
            ..Node::default()
        };
        let (sender, snapshots) = watch::channel(None);
        let status = Arc::new(ClientStatus::default());
        let link = Link::new(channel, Protocol::Delta, Introduction::from(&node));
        let ends = Ends::of_ads(sender, Arc::clone(&status));
        let run = client::run(Following::ads_alone(), Some(link), ends, std::future::pending());
        Follower { snapshots, status, task: tokio::spawn(run) }
    }
}

/// A stream that reconnects for as long as this lives.
pub struct Follower {
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub status: Arc<ClientStatus>,
    task: JoinHandle<()>,
}

impl Follower {
    pub async fn snapshot(&mut self) -> Arc<Snapshot> {
        let mut snapshots = self.snapshots.clone();
        eventually("a snapshot", async || snapshots.borrow_and_update().clone()).await
    }

    /// What the control plane refuses it for.
    pub async fn refusal(&self) -> String {
        eventually("a refusal", async || self.status.report().last_error).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}
