//! What happens to one request: sanitised, routed, answered or forwarded.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header;
use http::request::Parts;
use http::uri::Scheme;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use ripstop_model::http1::HeaderNames;
use ripstop_policy::deadline;
use ripstop_policy::grpc::is_grpc;
use ripstop_policy::redirect::{Redirector, RequestUrl};
use ripstop_policy::request_times::{Limits, RequestTimes};
use ripstop_policy::route::{NoRoute, RequestHead};

use super::affinity::Affinity;
use super::forward::Forwarding;
use super::mirror;
use super::post_tunnel::takes_post;
use super::response_body::ResponseBody;
use super::rewrite::rewrite;
use super::sanitise::Stop;
use super::stream::ActiveStream;
use super::target::Target;
use super::upgrade::TunnelRequest;
use super::{reply, sanitise};
use crate::error::ProxyError;
use crate::generation::listener::{ActiveManager, ActiveRoutes};
use crate::generation::routes::{
    CompiledAction, CompiledForward, CompiledRoute, CompiledRoutes, Target as RouteTarget,
};
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
    let tunnel = TunnelRequest::of(&mut parts);
    let refused = tunnel.as_ref().map(TunnelRequest::refusal);
    let mut response = match Clean::of(worker, manager, connection, parts, &body, tunnel) {
        ControlFlow::Continue(request) => request.serve(body).await,
        ControlFlow::Break(answer) => answer,
    };
    if let Some(refused) = refused {
        refused.mark(&mut response);
    }
    response
}

/// A request that may be looked at: everything a client must not say is gone.
pub(super) struct Clean {
    pub(super) worker: Rc<Worker>,
    pub(super) manager: Arc<ActiveManager>,
    pub(super) connection: Rc<ConnectionInfo>,
    pub(super) method: Method,
    target: Target,
    pub(super) headers: HeaderMap,
    tunnel: Option<TunnelRequest>,
    pub(super) stream: ActiveStream,
    /// How the client wrote the names of its headers, where that is to be kept.
    spelling: Extensions,
    /// Of all dice that concern the choice of its route and cluster.
    random: u64,
}

impl Clean {
    /// Sanitises a request, or answers it.
    fn of(
        worker: Rc<Worker>,
        manager: Arc<ActiveManager>,
        connection: Rc<ConnectionInfo>,
        mut parts: Parts,
        body: &Incoming,
        tunnel: Option<TunnelRequest>,
    ) -> ControlFlow<Response<ResponseBody>, Box<Clean>> {
        let mut stream =
            ActiveStream::begin(&manager, worker.id, &connection, Some(&parts.method), parts.version);
        stream.is_grpc = is_grpc(&parts.headers);
        // What asks for a tunnel is never whole.
        if body.is_end_stream() && tunnel.is_none() {
            stream.progress.end_at(stream.started());
        }
        let mut target = match sanitise::target::of(&mut parts, &manager.config.http1) {
            Ok(target) => target,
            Err(error) => {
                if error == ProxyError::MissingHost {
                    stream.facts.path = parts.uri.path_and_query().map(|path| path.as_str().into());
                }
                return ControlFlow::Break(reply::error(stream, &manager, error));
            }
        };
        let mut headers = parts.headers;
        headers.remove(header::HOST);
        let sane = sanitise::request(&mut target, &mut headers, &worker, &manager, &connection, &mut stream);
        if stream.is_logged() {
            describe(&mut stream, &target, &headers);
        }
        match sane {
            Ok(()) => {}
            Err(Stop::Refused(error)) => return ControlFlow::Break(reply::error(stream, &manager, error)),
            Err(Stop::Redirected(path)) => {
                return ControlFlow::Break(reply::redirect(stream, &manager, path));
            }
        }
        let (method, random) = (parts.method, worker.dice(|rng| rng.u64(..)));
        let keeps = manager.config.http1.names == HeaderNames::Preserve;
        let spelling = if keeps { parts.extensions } else { Extensions::new() };
        // Boxed, as is what becomes of it: each step that waits would have room for it of its own.
        ControlFlow::Continue(Box::new(Clean {
            worker,
            manager,
            connection,
            method,
            target,
            headers,
            tunnel,
            stream,
            spelling,
            random,
        }))
    }

    /// Finds the route and does what it says.
    async fn serve(mut self: Box<Self>, body: Incoming) -> Response<ResponseBody> {
        let generation = self.worker.current();
        let routes = routes(&self.manager, &generation);
        let found = match &routes {
            Some(routes) => routes.find(&self.head()),
            None => Err(NoRoute::VirtualHost),
        };
        match &found {
            Ok(route) => self.takes(route),
            Err(NoRoute::Route(host)) => {
                let metadata = routes.as_ref().and_then(|routes| routes.metadata_of_host(*host));
                self.stream.facts.metadata.virtual_host = metadata;
            }
            Err(_) => {}
        }
        if self.manager.filters_act_alone || found.as_ref().is_ok_and(|route| route.says_to_filters) {
            // Rare, and boxed so that not every request has room for it.
            let stopped = Box::pin(self.pass_filters(found.as_ref().ok().copied())).await;
            if let Some(stopped) = stopped {
                return self.stop(stopped);
            }
        }
        let route = match found {
            Ok(route) => route,
            Err(NoRoute::TlsRequired(_)) => {
                let location = Redirector::to_https(self.url());
                let status = StatusCode::MOVED_PERMANENTLY;
                return reply::send_elsewhere(self.stream, &self.manager, status, &location);
            }
            Err(NoRoute::Route(_) | NoRoute::VirtualHost) => return self.no_route(),
        };
        if let Some(admission) = &self.manager.admission {
            if !self.worker.dice(|rng| admission.admits(Instant::now(), rng)) {
                self.manager.stats.of(self.worker.id).rq_admission_denied.inc();
                return reply::admission_denied(self.stream, &self.manager);
            }
            self.stream.admission = Some(admission.clone());
        }
        if let Some(gradient) = &self.manager.gradient {
            let Some(admitted) = gradient.admit(Instant::now()) else {
                self.manager.stats.of(self.worker.id).rq_concurrency_exceeded.inc();
                return reply::concurrency_exceeded(self.stream, &self.manager, gradient.config());
            };
            self.stream.admitted = Some(admitted);
        }
        if !matches!(route.action, CompiledAction::Forward(_)) {
            self.stream.log_start();
        }
        match &route.action {
            CompiledAction::Direct { status, body } => {
                reply::direct(self.stream, &self.manager, *status, body.clone())
            }
            CompiledAction::Redirect { status, to } => {
                let location = to.location(self.url());
                reply::send_elsewhere(self.stream, &self.manager, *status, &location)
            }
            CompiledAction::NonForwarding => {
                self.manager.stats.of(self.worker.id).no_cluster.inc();
                reply::error(self.stream, &self.manager, ProxyError::NoCluster)
            }
            CompiledAction::Forward(forward) => self.forward(&generation, forward, body).await,
        }
    }

    /// Notes what is known of a request that `route` takes.
    fn takes(&mut self, route: &CompiledRoute) {
        self.stream.facts.route = route.name.clone();
        self.stream.facts.metadata.route = route.metadata.clone();
        self.stream.facts.metadata.virtual_host = route.host_metadata.clone();
        if let Some(levels) = &route.levels {
            self.stream.levels.route = Some(levels.clone());
            describe(&mut self.stream, &self.target, &self.headers);
        }
    }

    /// Chooses the cluster, makes the request what the upstream is to see, and sends it.
    async fn forward(
        mut self: Box<Self>,
        generation: &Rc<WorkerGeneration>,
        forward: &CompiledForward,
        body: Incoming,
    ) -> Response<ResponseBody> {
        self.stream.answers_attempts = forward.response_attempt_count;
        let (slot, share) = match forward.target(&self.head(), self.connection.client_ip()) {
            RouteTarget::Share(share) => (Some(&share.slot), Some(share)),
            RouteTarget::Named(name) => (generation.shared.slots.get(name), None),
            RouteTarget::Nowhere => (None, None),
        };
        let subset = share.map_or(&forward.subset, |share| &share.subset);
        let seed = || self.worker.dice(|rng| rng.u64(..));
        let cluster = slot.and_then(|slot| generation.cluster(slot, seed));
        if let Some(cluster) = &cluster {
            self.stream.facts.cluster = Some(cluster.active.name().clone());
            self.stream.facts.metadata.cluster = cluster.active.config.metadata.clone();
            self.stream.count_call(cluster.active.lasting.stats.of(self.worker.id), self.target.path.path());
        }
        self.stream.log_start();
        let mut terminate = false;
        if let Some(tunnel) = &self.tunnel {
            let Some(granted) = tunnel.allowed(&self.manager.config.upgrades, forward) else {
                self.manager.stats.of(self.worker.id).rq_ws_on_non_ws_route.inc();
                return reply::refuse(self.stream, &self.manager, StatusCode::FORBIDDEN, "upgrade_failed");
            };
            self.stream.allow_upgrade();
            terminate = granted.terminate.is_some();
        }
        let Some(cluster) = cluster else {
            self.manager.stats.of(self.worker.id).no_cluster.inc();
            return reply::no_cluster(self.stream, &self.manager, forward.cluster_not_found);
        };
        if self.manager.config.origin.scheme.match_upstream {
            self.target.scheme = None;
        }
        let affinity = Affinity::of(forward, &cluster, &self.target, &self.headers, &self.connection);
        if let Some(level) = share.and_then(|share| share.level.as_ref()) {
            self.stream.levels.share = Some(level.clone());
            describe(&mut self.stream, &self.target, &self.headers);
        }
        let times = self.prepare(forward, share.and_then(|share| share.host.as_ref()));
        let copies = mirror::wanted(&self.worker, generation, forward, &self.headers, &self.target);
        let told = deadline::told(&self.headers);
        let tunnel = self.tunnel.take();
        let mut forwarding = Box::new(Forwarding {
            worker: &self.worker,
            generation,
            manager: &self.manager,
            route: forward,
            cluster,
            target: self.target,
            method: self.method,
            headers: self.headers,
            affinity,
            subset: subset.as_deref(),
            tunnel: None,
            copies,
            told,
            times,
            fell_back: false,
            stream: self.stream,
            spelling: self.spelling,
        });
        // What is rare is boxed so that not every request has room for it.
        if tunnel.is_none() && forwarding.method == Method::POST && takes_post(forward) {
            return Box::pin(forwarding.tunnel_post(body)).await;
        }
        match tunnel {
            Some(tunnel) if terminate => Box::pin(forwarding.terminate(tunnel)).await,
            tunnel => {
                forwarding.tunnel = tunnel;
                forwarding.run(body).await
            }
        }
    }

    /// Headers, path and host as the route wants them, and the times that hold.
    fn prepare(&mut self, forward: &CompiledForward, share_host: Option<&HeaderValue>) -> RequestTimes {
        self.stream.change_request(&mut self.headers);
        rewrite(&self.manager, &mut self.target, &mut self.headers, forward, share_host, &mut self.stream);
        let limits = Limits {
            timeout: forward.timeout,
            times: &forward.times,
            per_try: forward.retry.as_ref().and_then(|retry| retry.policy().per_try_timeout),
            manager_max_stream: self.manager.config.times.max_stream_duration,
            respect_expected: self.manager.config.router.respect_expected_rq_timeout,
        };
        let times = RequestTimes::of(&limits, &mut self.headers);
        if self.stream.is_logged() {
            self.stream.facts.authority = Some(self.target.authority.as_str().into());
            self.stream.keep_request(&self.headers);
        }
        times
    }

    fn no_route(self: Box<Self>) -> Response<ResponseBody> {
        self.stream.log_start();
        self.manager.stats.of(self.worker.id).no_route.inc();
        reply::error(self.stream, &self.manager, ProxyError::NoRoute)
    }

    /// What the route table looks at.
    pub(super) fn head(&self) -> RequestHead<'_> {
        let tls = self.connection.secured.as_ref();
        RequestHead {
            authority: self.target.authority.as_str(),
            path: self.target.path.path(),
            query: self.target.path.query(),
            method: self.method.as_str(),
            scheme: self.target.scheme.as_ref().map_or("http", Scheme::as_str),
            headers: &self.headers,
            client_cert_presented: tls.is_some_and(|tls| tls.has_peer_certificate()),
            client_cert_validated: tls.is_some_and(|tls| tls.peer_validated),
            random: self.random,
        }
    }

    /// What redirects are made from.
    fn url(&self) -> RequestUrl<'_> {
        let proto = self.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
        RequestUrl {
            scheme: self.target.scheme.as_ref().map_or("http", Scheme::as_str),
            forwarded_proto: proto.unwrap_or_default(),
            authority: self.target.authority.as_str(),
            path_and_query: self.target.path.as_str(),
        }
    }
}

fn routes(manager: &ActiveManager, generation: &WorkerGeneration) -> Option<Arc<CompiledRoutes>> {
    match &manager.routes {
        ActiveRoutes::Inline(routes) => Some(routes.clone()),
        ActiveRoutes::Rds(name) => generation.shared.routes.get(name).cloned(),
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
