//! Foreign trust domains: their roots are read from files, asked for at their bundle endpoints, and looked at again. What was good
//! stays until something better comes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ripstop_identity::authority::Authority;
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::federation::{self, ForeignBundle, MAX_BUNDLE_BYTES};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{ALPN_HTTP11, mesh_client_config};
use ripstop_identity::trust::Trust;
use ripstop_identity::verify::AllowedIdentities;
use ripstop_model::TrustDomain;
use ripstop_runtime::socket;
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::resource::{BundleEndpoint, Federation, Mesh};

/// How often files are looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// An endpoint is not asked more often, whatever it wishes.
const MIN_REFRESH: Duration = Duration::from_secs(5);
/// An endpoint is asked this often at least.
const MAX_REFRESH: Duration = Duration::from_secs(3600);
/// An endpoint has to answer within this.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Everybody that the mesh is federated with.
pub(super) struct Federated {
    own: TrustBundle,
    aliases: Vec<TrustDomain>,
    foreign: Vec<Foreign>,
}

struct Foreign {
    config: Federation,
    bundle: Option<Arc<TrustBundle>>,
    sequence: Option<u64>,
    /// The text of the file that was looked at last.
    seen: Option<String>,
    ask_at: Instant,
    /// What was complained of last.
    complaint: Option<String>,
}

impl Federated {
    /// What `mesh` says; files are read at once.
    pub(super) fn new(mesh: &Mesh, own: TrustBundle) -> Federated {
        let begin = |config: &Federation| {
            let mut foreign = Foreign {
                config: config.clone(),
                bundle: None,
                sequence: None,
                seen: None,
                ask_at: Instant::now(),
                complaint: None,
            };
            foreign.look_at_file();
            foreign
        };
        Federated {
            own,
            aliases: mesh.trust_domain_aliases.clone(),
            foreign: mesh.federation.iter().map(begin).collect(),
        }
    }

    /// Whom to trust besides the own roots, which do not count here.
    pub(super) fn trust(&self) -> Trust {
        let own = || Trust::own(self.own.clone());
        let bundles = self.foreign.iter().filter_map(|foreign| foreign.bundle.clone());
        // The numbers were checked with the document.
        own()
            .with_aliases(self.aliases.clone())
            .and_then(|trust| trust.with_federated(bundles))
            .unwrap_or_else(|_| own())
    }

    /// Tells `authority` of every change, for ever.
    pub(super) async fn follow(mut self, authority: Arc<Authority>) {
        let mut said = self.trust();
        let mut looks = tokio::time::interval(FILE_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for foreign in &mut self.foreign {
                foreign.look_at_file();
                foreign.ask().await;
            }
            let now = self.trust();
            if now != said {
                match authority.trust_also(now.clone()) {
                    Ok(()) => said = now,
                    Err(error) => tracing::error!(%error, "foreign roots cannot be announced"),
                }
            }
        }
    }
}

impl Foreign {
    fn look_at_file(&mut self) {
        let Some(path) = self.config.bundle_file.clone() else { return };
        // What the endpoint says goes before the file it began with.
        if self.config.endpoint.is_some() && self.bundle.is_some() {
            return;
        }
        match read(&path) {
            Ok(text) if self.seen.as_ref() == Some(&text) => {}
            Ok(text) => {
                let read = federation::read(&self.config.trust_domain, &text);
                self.seen = Some(text);
                match read {
                    Ok(bundle) => self.take(bundle, &path.display().to_string()),
                    Err(error) => self.complain(format!("{}: {error}", path.display())),
                }
            }
            Err(error) => self.complain(format!("{}: {error}", path.display())),
        }
    }

    async fn ask(&mut self) {
        let Some(endpoint) = self.config.endpoint.clone() else { return };
        let Some(known) = self.bundle.clone() else { return };
        if Instant::now() < self.ask_at {
            return;
        }
        let asked = tokio::time::timeout(FETCH_TIMEOUT, fetch(&endpoint, &known)).await;
        let text = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let read = text.and_then(|text| {
            federation::read(&self.config.trust_domain, &text).map_err(|error| error.to_string())
        });
        self.ask_at = Instant::now() + MIN_REFRESH;
        match read {
            Ok(bundle) => {
                self.ask_at = Instant::now() + bundle.refresh.clamp(MIN_REFRESH, MAX_REFRESH);
                self.take(bundle, &endpoint.address);
            }
            Err(error) => self.complain(format!("bundle endpoint {}: {error}", endpoint.address)),
        }
    }

    fn take(&mut self, read: ForeignBundle, from: &str) {
        self.complaint = None;
        if self.sequence > read.sequence && read.sequence.is_some() {
            return self
                .complain(format!("{from}: its sequence number has gone back; the roots from before stay"));
        }
        self.sequence = read.sequence;
        if self.bundle.as_deref() != Some(&read.bundle) {
            let (domain, roots) = (&self.config.trust_domain, read.bundle.roots().len());
            tracing::info!(%domain, from, roots, "roots of a foreign trust domain");
            self.bundle = Some(Arc::new(read.bundle));
        }
    }

    /// Once for each reason.
    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            let domain = &self.config.trust_domain;
            tracing::error!(%domain, complaint, "the roots of a foreign trust domain cannot be had: what is known stays");
            self.complaint = Some(complaint);
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BUNDLE_BYTES as u64 {
        return Err(format!("it is {size} bytes long, at most {MAX_BUNDLE_BYTES} are read"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Asks an endpoint, which has to prove its identity by the roots that are known so far.
async fn fetch(endpoint: &BundleEndpoint, known: &TrustBundle) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let trust = IdentityHandle::new(known.clone());
    let allowed = AllowedIdentities::only(endpoint.identity.clone());
    let tls = mesh_client_config(&trust, allowed, &[ALPN_HTTP11]).map_err(|error| text(&error))?;
    let host = endpoint.address.rsplit_once(':').map_or(endpoint.address.as_str(), |(host, _)| host);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let mut addresses = lookup_host(&endpoint.address).await.map_err(|error| text(&error))?;
    let address = addresses.next().ok_or_else(|| "its name has no address".to_owned())?;
    let stream = socket::connect(address).await.map_err(|error| text(&error))?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| {
        ripstop_identity::verify::refusal(&error).map_or_else(|| error.to_string(), ToString::to_string)
    })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::get(&endpoint.path)
        .header(header::HOST, &endpoint.address)
        .body(Empty::<Bytes>::new())
        .map_err(|error| text(&error))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| text(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BUNDLE_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        String::from_utf8(body.to_vec()).map_err(|error| text(&error))
    };
    let answer = answer.await;
    driver.abort();
    answer
}
