//! Sends copies of requests to other clusters. Nobody sees their answers, and whatever becomes of them, the requests
//! themselves take neither longer nor another course: a copy that cannot keep up is given up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Extensions, HeaderMap, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ripstop_model::route::RoutePriority;
use ripstop_policy::balance::{Pick, PickContext};

use super::attempt::{Outgoing, SentOver, attempt};
use super::request_body::RequestBody;
use super::target::Target;
use super::tee::{Tee, TeeEnd};
use crate::error::ProxyError;
use crate::generation::mirrors::{CompiledMirror, MirrorCluster};
use crate::generation::routes::CompiledForward;
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;
use crate::worker::generation::WorkerGeneration;

/// Copies under way from one worker; further requests are not copied.
const MAX_MIRRORS: u32 = 1024;
/// How long a copy may take where its route gives no limit.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(60);
/// What the host of a copy ends in.
const SUFFIX: &str = "-shadow";

/// A copy that is to be made.
pub struct Wanted {
    cluster: Rc<WorkerCluster>,
    authority: Authority,
}

/// What is copied.
pub struct Original<'a> {
    /// Whether its client speaks HTTP/2.
    pub http2: bool,
    /// Method.
    pub method: &'a Method,
    /// Headers, as they are sent.
    pub headers: &'a HeaderMap,
    /// Host and path.
    pub target: &'a Target,
    /// What the request may take.
    pub timeout: Option<Duration>,
    /// Whether there is a body, and its length if that is known.
    pub body: Option<Option<u64>>,
}

/// The copies to be made of a request that `forward` takes.
pub fn wanted(
    worker: &Worker,
    generation: &WorkerGeneration,
    forward: &CompiledForward,
    headers: &HeaderMap,
    target: &Target,
) -> Vec<Wanted> {
    let chosen = forward.mirrors.iter().filter(|mirror| {
        let share = mirror.share.as_per_million();
        share > 0 && worker.dice(|rng| rng.u32(0..1_000_000)) < share
    });
    let wanted = chosen.filter_map(|mirror| {
        let named;
        let slot = match &mirror.target {
            MirrorCluster::Slot(slot) => slot,
            MirrorCluster::Header(name) => {
                named = generation.shared.slots.get(headers.get(name)?.to_str().ok()?)?;
                named
            }
        };
        let cluster = generation.cluster(slot, || worker.dice(|rng| rng.u64(..)))?;
        Some(Wanted { cluster, authority: authority(mirror, &target.authority)? })
    });
    wanted.collect()
}

/// The host of a copy: the suffix stands before the port.
fn authority(mirror: &CompiledMirror, original: &Authority) -> Option<Authority> {
    if let Some(host) = &mirror.host {
        return Some(host.clone());
    }
    if !mirror.suffix {
        return Some(original.clone());
    }
    let text = match original.port() {
        Some(port) => format!("{}{SUFFIX}:{port}", original.host()),
        None => format!("{original}{SUFFIX}"),
    };
    Authority::try_from(text).ok()
}

/// Sends the copies, and gives back what has to be told of the body.
pub fn send(worker: &Rc<Worker>, wanted: Vec<Wanted>, original: &Original<'_>) -> Option<Tee> {
    let mut ends = Vec::new();
    for Wanted { cluster, authority } in wanted {
        let Some(place) = Place::take(&worker.mirrors) else {
            cluster.active.lasting.stats.of(worker.id).rq_mirror_lost.inc();
            continue;
        };
        let body = match original.body {
            None => RequestBody::empty(),
            Some(length) => {
                let end = TeeEnd::new(length);
                ends.push(end.clone());
                RequestBody::copied(end)
            }
        };
        let copy = Copy {
            worker: worker.clone(),
            cluster,
            outgoing: Outgoing {
                method: original.method.clone(),
                target: Target {
                    authority,
                    path: original.target.path.clone(),
                    scheme: original.target.scheme.clone(),
                },
                headers: original.headers.clone(),
                body,
                asked: None,
                client: None,
                trial: None,
                priority: RoutePriority::Default,
                retry: None,
                http2: original.http2,
                spelling: Extensions::new(),
            },
            timeout: original.timeout.unwrap_or(MIRROR_TIMEOUT),
        };
        tokio::task::spawn_local(async move {
            copy.run().await;
            drop(place);
        });
    }
    original.body.filter(|_| !ends.is_empty()).map(|_| Tee::new(ends))
}

/// One of the copies that may be under way.
struct Place(Rc<Cell<u32>>);

impl Place {
    fn take(taken: &Rc<Cell<u32>>) -> Option<Place> {
        if taken.get() >= MAX_MIRRORS {
            return None;
        }
        taken.set(taken.get() + 1);
        Some(Place(taken.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

struct Copy {
    worker: Rc<Worker>,
    cluster: Rc<WorkerCluster>,
    outgoing: Outgoing,
    timeout: Duration,
}

impl Copy {
    async fn run(self) {
        let Copy { worker, cluster, outgoing, timeout } = self;
        let stats = cluster.active.lasting.stats.of(worker.id);
        let now = Instant::now();
        let picked =
            worker.dice(|rng| cluster.balancer.borrow_mut().pick(&PickContext::avoiding(&[], now), rng));
        let Pick::Host { entry, .. } = picked else {
            stats.cx_none_healthy.inc();
            return;
        };
        let end = tokio::time::Instant::now() + timeout;
        let unlogged = SentOver::default();
        let sending = attempt(&cluster, &worker, &entry, outgoing, &unlogged);
        let (response, request) = match tokio::time::timeout_at(end, sending).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => return,
            Err(_) => {
                stats.rq_timeout.inc();
                return;
            }
        };
        match tokio::time::timeout_at(end, drain(response)).await {
            Ok(Ok(())) => request.complete(Instant::now()),
            Ok(Err(_)) => request.fail(ProxyError::UpstreamClosed),
            Err(_) => request.fail(ProxyError::RequestTimeout),
        }
    }
}

/// Reads an answer and forgets it.
async fn drain(response: Response<Incoming>) -> hyper::Result<()> {
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
