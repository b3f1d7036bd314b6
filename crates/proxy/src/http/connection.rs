//! Serves the requests of one client connection, HTTP/1 or HTTP/2.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_model::http_manager::times::Times;
use ripstop_model::http_manager::{Codec, HttpConnectionManager};
use ripstop_model::http1::HeaderNames;
use ripstop_model::http2::Http2Options;
use ripstop_policy::http1::head::{HeadRules, Refusal};

use super::deadline::stream_idle_timeout;
use super::frame_guard::FrameGuard;
use super::guard::Guarded;
use super::local_exec::LocalExec;
use super::manager::handle;
use super::unreadable;
use crate::generation::listener::ActiveManager;
use crate::listener::activity::{Activity, Silence, Waiting};
use crate::listener::connection::ConnectionInfo;
use crate::listener::drain::DrainWatch;
use crate::listener::io::{ClientIo, Rewound};
use crate::stats::cell::Cell;
use crate::stats::http::HttpStats;
use crate::upstream::connect::{HTTP1_BUFFER_BYTES, HTTP1_LEAST_BUFFER_BYTES, HTTP2_SEND_BUFFER_BYTES};
use crate::worker::Worker;

/// How long a client may take to send enough to tell the protocol.
const SNIFF_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of HTTP/1 that has been silent for this long gives its buffers back until something comes.
const REST_AFTER: Duration = Duration::from_secs(2);

/// How long the answer to a head that took too long may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client of HTTP/2 has at least so long to finish by itself.
const LEAST_DRAIN: Duration = Duration::from_millis(100);

/// A silent HTTP/2 client is pinged after this long …
const PING_INTERVAL: Duration = Duration::from_secs(60);
/// … and given up after this long without an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection until the client closes it, it breaks the protocol, or it is drained.
pub async fn serve_http(
    worker: &Rc<Worker>,
    manager: &Arc<ActiveManager>,
    mut io: Rewound,
    info: Rc<ConnectionInfo>,
    mut drain: DrainWatch,
) {
    let stats = manager.stats.of(worker.id);
    // Who has sent nothing when draining begins has nothing to finish.
    let http2 = tokio::select! {
        biased;
        http2 = speaks_http2(&manager.config, &mut io) => http2,
        _ = drain.begun() => return,
    };
    let Some(http2) = http2 else { return };
    io.traffic().count_for(&manager.stats, worker.id);
    let _open = Open::begin(stats, http2, info.tls);
    let heard = io.heard();
    let served = if http2 {
        // Boxed, so that a connection of HTTP/1 has no room for it.
        Box::pin(serve_http2(worker, manager, io, info.clone(), drain)).await
    } else {
        serve_http1(worker, manager, io, info.clone(), drain).await
    };
    // What has become a tunnel goes on without HTTP, and the connection is open as long.
    info.activity.tunnels_over().await;
    let mut parse = false;
    if let Err(error) = served {
        parse = error.is_parse();
        tracing::debug!(%error, "client connection ended");
    }
    if parse || heard.is_refused() {
        stats.cx_protocol_error.inc();
    }
}

/// Counts an open connection until it is dropped.
struct Open<'a> {
    stats: &'a HttpStats,
    http2: bool,
    tls: bool,
    begun: Instant,
}

impl Open<'_> {
    fn begin(stats: &HttpStats, http2: bool, tls: bool) -> Open<'_> {
        stats.cx_total.inc();
        if http2 { &stats.cx_http2_total } else { &stats.cx_http1_total }.inc();
        let open = Open { stats, http2, tls, begun: Instant::now() };
        open.gauges().for_each(Cell::inc);
        if tls {
            stats.cx_ssl_total.inc();
        }
        open
    }

    fn gauges(&self) -> impl Iterator<Item = &Cell> {
        let stats = self.stats;
        let of_version = if self.http2 { &stats.cx_http2_active } else { &stats.cx_http1_active };
        [&stats.cx_active, of_version].into_iter().chain(self.tls.then_some(&stats.cx_ssl_active))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.gauges().for_each(Cell::dec);
        self.stats.cx_destroy.inc();
        self.stats.cx_length_ms.record(self.begun.elapsed());
    }
}

async fn speaks_http2(config: &HttpConnectionManager, io: &mut Rewound) -> Option<bool> {
    let limit = idle_timeout(config).map_or(SNIFF_TIMEOUT, |idle| idle.min(SNIFF_TIMEOUT));
    match (config.codec, io.alpn()) {
        (Codec::Http1, _) => Some(false),
        (Codec::Http2, _) | (Codec::Auto, Some(b"h2")) => Some(true),
        (Codec::Auto, _) => tokio::time::timeout(limit, io.speaks_http2()).await.ok()?.ok(),
    }
}

async fn serve_http1(
    worker: &Rc<Worker>,
    manager: &Arc<ActiveManager>,
    io: Rewound,
    info: Rc<ConnectionInfo>,
    mut drain: DrainWatch,
) -> hyper::Result<()> {
    let (config, stats) = (&manager.config, manager.stats.of(worker.id));
    let mut io = guarded(io, manager);
    let mut aged = pin!(aged(&config.times, &info.activity));
    let mut draining = pin!(drained(&mut drain, &info.activity));
    loop {
        // Boxed, with all that it needs, so that it is gone while the connection rests.
        let awake = Box::pin(serve_awake(worker, manager, &info, io, aged.as_mut(), draining.as_mut()));
        io = match awake.await {
            ControlFlow::Break(served) => return served,
            ControlFlow::Continue(io) => io,
        };
        worker.rest();
        tokio::select! {
            biased;
            came = io.get_mut().wait() => match came {
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(()),
            },
            () = aged.as_mut() => {
                stats.cx_max_duration_reached.inc();
                return Ok(());
            }
            () = draining.as_mut() => {
                stats.cx_drain_close.inc();
                return Ok(());
            }
            () = info.activity.over(None, idle_timeout(config)) => {
                stats.cx_idle_timeout.inc();
                return Ok(());
            }
        }
    }
}

/// Serves a connection of HTTP/1 until it is over, or goes on in a silence with nothing under way.
async fn serve_awake(
    worker: &Rc<Worker>,
    manager: &Arc<ActiveManager>,
    info: &Rc<ConnectionInfo>,
    io: Guarded<Rewound>,
    mut aged: Pin<&mut impl Future<Output = ()>>,
    mut draining: Pin<&mut impl Future<Output = ()>>,
) -> ControlFlow<hyper::Result<()>, Guarded<Rewound>> {
    let (config, stats) = (&manager.config, manager.stats.of(worker.id));
    let heard = info.activity.heard();
    let service = service(worker, manager, info.clone());
    let mut connection = http1_builder(manager).serve_connection(TokioIo::new(io), service).with_upgrades();
    let (mut closing, mut farewell, mut rest) = (false, None, Some(REST_AFTER));
    loop {
        tokio::select! {
            biased;
            served = &mut connection => return ControlFlow::Break(served),
            (refusal, head) = heard.refused() => {
                heard.answer(unreadable::answer(worker.id, manager, info, refusal, &head));
            }
            () = aged.as_mut(), if !closing => {
                stats.cx_max_duration_reached.inc();
                (closing, rest) = (true, None);
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = draining.as_mut(), if !closing => {
                stats.cx_drain_close.inc();
                (closing, rest) = (true, None);
                Pin::new(&mut connection).graceful_shutdown();
            }
            silence = info.activity.silence(head_timeout(config), idle_timeout(config), rest),
                if farewell.is_none() =>
            {
                if silence == Silence::Rest {
                    if heard.is_settled() {
                        break;
                    }
                    rest = None;
                    continue;
                }
                // A head that does not end is answered; a connection on which nothing comes is not.
                if closing || !matches!(info.activity.waiting(), Waiting::Head(_)) {
                    stats.cx_idle_timeout.inc();
                    return ControlFlow::Break(Ok(()));
                }
                heard.expire();
                farewell = Some(Instant::now() + FAREWELL + delayed_close(config));
            }
            () = until(farewell) => return ControlFlow::Break(Ok(())),
            () = info.activity.stalled() => return ControlFlow::Break(Ok(())),
        }
    }
    // Bytes that hyper had read and not used would be part of something that is under way, and nothing is.
    let parts = connection.into_parts().filter(|parts| parts.read_buf.is_empty());
    // The rest of the parts, the buffer above all, does not rest with the connection.
    parts.map_or(ControlFlow::Break(Ok(())), |parts| ControlFlow::Continue(parts.io.into_inner()))
}

fn http1_builder(manager: &ActiveManager) -> http1::Builder {
    let config = &manager.config;
    let head_bytes = head_bytes(config) as usize;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Ours tells a slow head from a connection that lies idle.
        .header_read_timeout(None)
        .max_headers(headers_count(config))
        .max_header_size(head_bytes)
        .max_buf_size(http1_buffer_bytes(manager, head_bytes))
        .title_case_headers(config.http1.names == HeaderNames::ProperCase)
        .preserve_header_case(config.http1.names == HeaderNames::Preserve);
    builder
}

/// Returns at that moment; without one, never.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// How long a client may take to notice that its connection is closed.
fn delayed_close(config: &HttpConnectionManager) -> Duration {
    config.delayed_close_timeout.unwrap_or(HttpConnectionManager::DEFAULT_DELAYED_CLOSE_TIMEOUT)
}

/// The bytes of the client, of which only what is HTTP gets through.
fn guarded(io: Rewound, manager: &ActiveManager) -> Guarded<Rewound> {
    let config = &manager.config;
    let rules = HeadRules {
        max_bytes: head_bytes(config) as usize,
        max_fields: headers_count(config),
        accept_http_10: config.http1.accept_http_10,
        allow_chunked_length: config.http1.allow_chunked_length,
    };
    let (_, late) = head_limit(config);
    let heard = io.heard();
    Guarded::new(io, rules, heard, late, delayed_close(config))
}

async fn serve_http2(
    worker: &Rc<Worker>,
    manager: &Arc<ActiveManager>,
    io: Rewound,
    info: Rc<ConnectionInfo>,
    mut drain: DrainWatch,
) -> hyper::Result<()> {
    let (config, stats) = (&manager.config, manager.stats.of(worker.id));
    let service = service(worker, manager, info.clone());
    let builder = http2_builder(manager);
    let connection = builder.serve_connection(TokioIo::new(FrameGuard::new(io, &config.http2)), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        served = connection.as_mut() => return served,
        _ = drain.begun() => stats.cx_drain_close.inc(),
        () = info.activity.spent() => {}
        () = too_old(&config.times) => stats.cx_max_duration_reached.inc(),
        () = info.activity.over(None, idle_timeout(config)) => stats.cx_idle_timeout.inc(),
    }
    connection.as_mut().graceful_shutdown();
    // Who does not take the hint is left when there is nothing more to finish.
    let drain = drain_timeout(&config.times);
    tokio::select! {
        biased;
        served = connection => served,
        () = info.activity.over(None, Some(drain.max(LEAST_DRAIN))) => Ok(()),
    }
}

/// A head has to fit the buffer of a connection, which is not made smaller than the parser can do with.
fn http1_buffer_bytes(manager: &ActiveManager, head_bytes: usize) -> usize {
    let wanted = manager.buffer_bytes.map_or(HTTP1_BUFFER_BYTES, |limit| limit.min(HTTP1_BUFFER_BYTES));
    wanted.max(head_bytes).max(HTTP1_LEAST_BUFFER_BYTES)
}

fn http2_builder(manager: &ActiveManager) -> http2::Builder<LocalExec> {
    let (config, options) = (&manager.config, &manager.config.http2);
    let default_window = match manager.buffer_bytes.map(u32::try_from) {
        Some(Ok(limit)) => {
            limit.clamp(Http2Options::LEAST_WINDOW_BYTES, Http2Options::DEFAULT_STREAM_WINDOW_BYTES)
        }
        _ => Http2Options::DEFAULT_STREAM_WINDOW_BYTES,
    };
    let (streams, window) = (options.max_concurrent_streams, options.initial_stream_window_size);
    let (interval, timeout) = match &options.keepalive {
        Some(keepalive) => (keepalive.interval, keepalive.timeout),
        None => (Some(PING_INTERVAL), PING_TIMEOUT),
    };
    let mut builder = http2::Builder::new(LocalExec);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams.unwrap_or(Http2Options::DEFAULT_MAX_CONCURRENT_STREAMS))
        .max_header_list_size(head_bytes(config))
        .header_table_size(options.hpack_table_size)
        .initial_stream_window_size(window.unwrap_or(default_window))
        .max_send_buf_size(manager.buffer_bytes.unwrap_or(HTTP2_SEND_BUFFER_BYTES))
        .initial_connection_window_size(
            options.initial_connection_window_size.unwrap_or(Http2Options::DEFAULT_CONNECTION_WINDOW_BYTES),
        )
        .keep_alive_interval(interval)
        .keep_alive_timeout(timeout);
    if options.allow_connect {
        builder.enable_connect_protocol();
    }
    builder
}

type Answered = Result<http::Response<super::response_body::ResponseBody>, Infallible>;

fn service(
    worker: &Rc<Worker>,
    manager: &Arc<ActiveManager>,
    info: Rc<ConnectionInfo>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = http::Response<super::response_body::ResponseBody>,
    Error = Infallible,
    Future = impl Future<Output = Answered> + 'static,
> {
    let (worker, manager) = (worker.clone(), manager.clone());
    let most = manager.config.times.max_requests_per_connection.map(NonZeroU32::get);
    service_fn(move |request: Request<Incoming>| {
        if let Some(most) = most {
            info.activity.take(most);
        }
        let http1 = request.version() < Version::HTTP_2;
        let (worker, manager, info) = (worker.clone(), manager.clone(), info.clone());
        // hyper keeps room for the future of a request as long as the connection lives: a pointer is enough.
        Box::pin(async move {
            let mut response = handle(worker, manager, info.clone(), request).await;
            if http1 && info.activity.is_last() && !response.status().is_informational() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    })
}

/// How large a request head may be.
fn head_bytes(config: &HttpConnectionManager) -> u32 {
    let kb = config.max_request_headers_kb.unwrap_or(HttpConnectionManager::DEFAULT_MAX_REQUEST_HEADERS_KB);
    kb.saturating_mul(1024)
}

/// How long a request head may take from its first byte, and what is answered to one that takes longer: whatever of three
/// limits is the shortest.
fn head_limit(config: &HttpConnectionManager) -> (Option<Duration>, Refusal) {
    let limits = [
        (config.request_headers_timeout, Refusal::HeadTimeout),
        (config.times.request_timeout, Refusal::RequestTimeout),
        (stream_idle_timeout(config, None), Refusal::IdleTimeout),
    ];
    let set =
        limits.into_iter().filter_map(|(limit, refusal)| Some((limit.filter(|l| !l.is_zero())?, refusal)));
    let shortest = set.min_by_key(|(limit, _)| *limit);
    shortest.map_or((None, Refusal::IdleTimeout), |(limit, refusal)| (Some(limit), refusal))
}

/// See [`head_limit`].
fn head_timeout(config: &HttpConnectionManager) -> Option<Duration> {
    head_limit(config).0
}

/// Returns when a connection has lived as long as it may.
async fn too_old(times: &Times) {
    match times.max_connection_duration.filter(|limit| !limit.is_zero()) {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Returns when a connection of HTTP/1 has to be closed for its age. Some time before, answers begin to say that they are
/// the last, so that no request meets a closed connection.
async fn aged(times: &Times, activity: &Activity) {
    too_old(times).await;
    activity.make_last();
    if times.http1_safe_max_connection_duration {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(drain_timeout(times)).await;
}

/// How long a connection that is to be closed may go on.
fn drain_timeout(times: &Times) -> Duration {
    times.drain_timeout.unwrap_or(Times::DEFAULT_DRAIN_TIMEOUT)
}

/// Returns when a connection of HTTP/1 has to be closed because its listener is drained. Before that, answers say that they
/// are the last.
async fn drained(drain: &mut DrainWatch, activity: &Activity) {
    let grace = drain.begun().await;
    if !grace.is_zero() {
        activity.make_last();
        tokio::time::sleep(grace).await;
    }
}

/// How long a connection may be without a request.
fn idle_timeout(config: &HttpConnectionManager) -> Option<Duration> {
    let idle = config.idle_timeout.unwrap_or(HttpConnectionManager::DEFAULT_IDLE_TIMEOUT);
    Some(idle).filter(|limit| !limit.is_zero())
}

fn headers_count(config: &HttpConnectionManager) -> usize {
    config.max_headers_count.unwrap_or(HttpConnectionManager::DEFAULT_MAX_HEADERS_COUNT) as usize
}

impl Rewound {
    /// What the client agreed to speak in the TLS handshake.
    fn alpn(&self) -> Option<&[u8]> {
        match self.get_ref() {
            ClientIo::Plain(_) => None,
            ClientIo::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }
}
