//! What happens to one request: sanitised, routed, answered or forwarded.

use std::rc::Rc;
use std::sync::Arc;

use http::header;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use ripstop_policy::grpc::is_grpc;
use ripstop_policy::redirect::{Redirector, RequestUrl};
use ripstop_policy::request_times::{Limits, RequestTimes};
use ripstop_policy::route::{NoRoute, RequestHead};

use super::affinity::Affinity;
use super::forward::Forwarding;
use super::mirror;
use super::response_body::ResponseBody;
use super::rewrite::rewrite;
use super::sanitise::Stop;
use super::stream::ActiveStream;
use super::target::Target;
use super::upgrade::TunnelRequest;
use super::{reply, sanitise};
use crate::error::ProxyError;
use crate::generation::listener::{ActiveManager, ActiveRoutes};
use crate::generation::routes::{CompiledAction, CompiledRoutes, Target as RouteTarget};
use crate::listener::connection::ConnectionInfo;
use crate::worker::Worker;
use crate::worker::generation::WorkerGeneration;

/// Serves one request. The generation that is in force at its beginning is the one it is served by.
pub async fn handle(
    worker: Rc<Worker>,
    manager: Arc<ActiveManager>,
    connection: Rc<ConnectionInfo>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (mut parts, body) = request.into_parts();
    let Some(tunnel) = TunnelRequest::of(&mut parts) else {
        return serve(worker, manager, connection, parts, body, None).await;
    };
    let refused = tunnel.refusal();
    let mut response = serve(worker, manager, connection, parts, body, Some(tunnel)).await;
    refused.mark(&mut response);
    response
}

async fn serve(
    worker: Rc<Worker>,
    manager: Arc<ActiveManager>,
    connection: Rc<ConnectionInfo>,
    mut parts: Parts,
    body: Incoming,
    tunnel: Option<TunnelRequest>,
) -> Response<ResponseBody> {
    let mut stream = ActiveStream::begin(&manager, worker.id, &connection, &parts.method, parts.version);
    stream.is_grpc = is_grpc(&parts.headers);
    if body.is_end_stream() {
        stream.progress.end();
    }
    let mut target = match sanitise::target::of(&mut parts, &manager.config.http1) {
        Ok(target) => target,
        Err(error) => return reply::error(stream, &manager, error),
    };
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sane = sanitise::request(&mut target, &mut headers, &worker, &manager, &connection, &mut stream);
    if stream.is_logged() {
        describe(&mut stream, &target, &headers);
    }
    match sane {
        Ok(()) => {}
        Err(Stop::Refused(error)) => return reply::error(stream, &manager, error),
        Err(Stop::Redirected(path)) => return reply::redirect(stream, &manager, path),
    }
    let generation = worker.current();
    let stats = manager.stats.of(worker.id);
    let Some(routes) = routes(&manager, &generation) else {
        stats.no_route.inc();
        return reply::error(stream, &manager, ProxyError::NoRoute);
    };
    let head = head(&parts.method, &target, &headers, &connection, &worker);
    let url = RequestUrl {
        scheme: head.scheme,
        forwarded_proto: headers
            .get("x-forwarded-proto")
            .and_then(|proto| proto.to_str().ok())
            .unwrap_or_default(),
        authority: head.authority,
        path_and_query: target.path.as_str(),
    };
    let route = match routes.find(&head) {
        Ok(route) => route,
        Err(NoRoute::TlsRequired(_)) => {
            let location = Redirector::to_https(url);
            return reply::send_elsewhere(stream, &manager, StatusCode::MOVED_PERMANENTLY, &location);
        }
        Err(NoRoute::VirtualHost | NoRoute::Route(_)) => {
            stats.no_route.inc();
            return reply::error(stream, &manager, ProxyError::NoRoute);
        }
    };
    stream.facts.route = route.name.clone();
    if let Some(levels) = &route.levels {
        stream.levels.route = Some(levels.clone());
        describe(&mut stream, &target, &headers);
    }
    let forward = match &route.action {
        CompiledAction::Direct { status, body } => {
            return reply::direct(stream, &manager, *status, body.clone());
        }
        CompiledAction::Redirect { status, to } => {
            return reply::send_elsewhere(stream, &manager, *status, &to.location(url));
        }
        CompiledAction::NonForwarding => {
            stats.no_cluster.inc();
            return reply::error(stream, &manager, ProxyError::NoCluster);
        }
        CompiledAction::Forward(forward) => forward,
    };
    let mut terminate = None;
    if let Some(tunnel) = &tunnel {
        let Some(granted) = tunnel.allowed(&manager.config.upgrades, forward) else {
            stats.rq_ws_on_non_ws_route.inc();
            return reply::refuse(stream, &manager, StatusCode::FORBIDDEN, "upgrade_failed");
        };
        stream.allow_upgrade();
        terminate = granted.terminate;
    }
    let (slot, share_host, share_level) = match forward.target(&head, connection.client_ip()) {
        RouteTarget::Slot(slot, host, level) => (Some(slot), host, level),
        RouteTarget::Named(name) => (generation.shared.slots.get(name), None, None),
        RouteTarget::Nowhere => (None, None, None),
    };
    let found = slot.and_then(|slot| generation.cluster(slot, || worker.dice(|rng| rng.u64(..))));
    let Some(cluster) = found else {
        stats.no_cluster.inc();
        return reply::no_cluster(stream, &manager, forward.cluster_not_found);
    };
    stream.facts.cluster = Some(cluster.active.name().clone());
    if manager.config.origin.scheme.match_upstream {
        target.scheme = None;
    }
    let affinity = Affinity::of(forward, &cluster, &target, &headers, &connection);
    if let Some(level) = share_level {
        stream.levels.share = Some(level.clone());
        describe(&mut stream, &target, &headers);
    }
    stream.change_request(&mut headers);
    rewrite(&manager, &mut target, &mut headers, forward, share_host, &mut stream);
    let limits = Limits {
        timeout: forward.timeout,
        times: &forward.times,
        per_try: forward.retry.as_ref().and_then(|retry| retry.per_try_timeout),
        manager_max_stream: manager.config.times.max_stream_duration,
        respect_expected: manager.config.router.respect_expected_rq_timeout,
    };
    let times = RequestTimes::of(&limits, &mut headers);
    if stream.is_logged() {
        stream.facts.authority = Some(target.authority.as_str().into());
        stream.keep_request(&headers);
    }
    let copies = mirror::wanted(&worker, &generation, forward, &headers, &target);
    let forwarding = Forwarding {
        worker: &worker,
        manager: &manager,
        route: forward,
        cluster,
        target,
        method: parts.method,
        headers,
        affinity,
        tunnel: None,
        copies,
        times,
        stream,
    };
    match tunnel {
        Some(tunnel) if terminate.is_some() => forwarding.terminate(tunnel).await,
        tunnel => Forwarding { tunnel, ..forwarding }.run(body).await,
    }
}

fn routes(manager: &ActiveManager, generation: &WorkerGeneration) -> Option<Arc<CompiledRoutes>> {
    match &manager.routes {
        ActiveRoutes::Inline(routes) => Some(routes.clone()),
        ActiveRoutes::Rds(name) => generation.shared.routes.get(name).cloned(),
    }
}

/// What the route table looks at.
fn head<'a>(
    method: &'a Method,
    target: &'a Target,
    headers: &'a HeaderMap,
    connection: &ConnectionInfo,
    worker: &Worker,
) -> RequestHead<'a> {
    RequestHead {
        authority: target.authority.as_str(),
        path: target.path.path(),
        query: target.path.query(),
        method: method.as_str(),
        scheme: target.scheme.as_ref().map_or("http", Scheme::as_str),
        headers,
        client_cert_presented: connection.secured.as_ref().is_some_and(|tls| tls.has_peer_certificate()),
        client_cert_validated: connection.secured.as_ref().is_some_and(|tls| tls.peer_validated),
        random: worker.dice(|rng| rng.u64(..)),
    }
}

/// Keeps for the log what will be gone when the line is written.
fn describe(stream: &mut ActiveStream, target: &Target, headers: &HeaderMap) {
    stream.facts.authority = Some(target.authority.as_str().into());
    stream.facts.path = Some(target.path.as_str().into());
    stream.facts.scheme =
        target.scheme.as_ref().map(|scheme| if *scheme == Scheme::HTTPS { "https" } else { "http" });
    stream.keep_request(headers);
}
