//! A listener ready for connections: which chain each gets, and what the chain does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use ripstop_identity::context::ContextError;
use ripstop_identity::context::server::ServerContext;
use ripstop_identity::context::store::Slot;
use ripstop_model::chain_match::FilterChainMatch;
use ripstop_model::http_manager::{HttpConnectionManager, RouteSource};
use ripstop_model::listener::Listener;
use ripstop_model::network_filter::{ConnectionFilter, NetworkFilter, TcpProxy};
use ripstop_model::route::WeightedCluster;
use ripstop_model::{Address, FilterChain, Name};
use ripstop_policy::adaptive::Gradient;
use ripstop_policy::admission::AdmissionController;
use ripstop_policy::connection_count::ConnectionCount;
use ripstop_policy::filter_chain::{ChainTable, ChainTableError, Facts};
use ripstop_policy::route::CompileError;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::runtime::Runtime;
use ripstop_policy::split::WeightedChoice;

use super::filters::ActiveHttpFilter;
use super::http_rules::HttpRules;
use super::listener_filter::ActiveListenerFilter;
use super::network_filter::{ActiveConnectionFilter, SharedBuckets};
use super::routes::CompiledRoutes;
use super::slot::{ClusterSlot, ClusterSlots};
use crate::access_log::AccessLogs;
use crate::access_log::writer::OpenError;
use crate::format::Wanted;
use crate::generation::compile::Sinks;
use crate::http::local_reply::CompiledReplies;
use crate::http::proxy_status::CompiledProxyStatus;
use crate::stats::connection::TcpStats;
use crate::stats::http::HttpStats;
use crate::stats::listener::ListenerStats;
use crate::stats::per_worker::PerWorker;
use crate::stats::registry::Registry;
use crate::tcp_proxy::BUFFER_BYTES;
use crate::tcp_proxy::tunneling::TunnelRequest;
use crate::tls::TlsContexts;

/// A compiled [`Listener`].
pub struct ActiveListener {
    /// What it was compiled from.
    pub config: Arc<Listener>,
    /// Counters by worker.
    pub stats: Arc<PerWorker<ListenerStats>>,
    /// What looks at connections before their chain is chosen.
    pub filters: Vec<ActiveListenerFilter>,
    /// How many connections there are and may be, over all workers.
    pub limit: Arc<ConnectionCount>,
    /// The same for all listeners together.
    pub global_limit: Arc<ConnectionCount>,
    /// Access logs of its connections.
    pub access_logs: AccessLogs,
    /// In the order of the configuration, the default one last.
    chains: Vec<Arc<ActiveChain>>,
    table: ChainTable,
}

/// A compiled [`FilterChain`].
pub struct ActiveChain {
    /// What may refuse a connection, in this order.
    pub filters: Vec<ActiveConnectionFilter>,
    /// How long a TLS handshake may take; `None`: as long as the proxy allows.
    pub handshake_timeout: Option<Duration>,
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// How TLS is spoken; `None`: plaintext.
    pub tls: Option<Arc<Slot<ServerContext>>>,
    /// What is done with the bytes.
    pub filter: ActiveFilter,
}

/// A compiled [`NetworkFilter`].
pub enum ActiveFilter {
    /// HTTP.
    Http(Arc<ActiveManager>),
    /// Bytes.
    Tcp(Arc<ActiveTcpProxy>),
    /// Sends every byte back.
    Echo,
    /// Sends a text and closes.
    DirectResponse(Name),
    /// Closes.
    Nothing,
}

/// A compiled [`HttpConnectionManager`].
pub struct ActiveManager {
    /// What it was compiled from.
    pub config: HttpConnectionManager,
    /// Counters by worker.
    pub stats: Arc<PerWorker<HttpStats>>,
    /// Access logs.
    pub access_logs: AccessLogs,
    /// Where its routes are.
    pub routes: ActiveRoutes,
    /// What is done to every request and answer.
    pub rules: HttpRules,
    /// What it calls itself in responses.
    pub server: HeaderValue,
    /// What refuses a share of requests while many fail.
    pub admission: Option<Arc<AdmissionController>>,
    /// What sees a request before it is routed on, in this order.
    pub filters: Box<[ActiveHttpFilter]>,
    /// Whether some of them do something where no route says anything to them.
    pub filters_act_alone: bool,
    /// How many requests it lets in at once, where that follows from how long they take.
    pub gradient: Option<Arc<Gradient>>,
    /// What becomes of answers that are ours.
    pub local_replies: Option<CompiledReplies>,
    /// What answers say in `proxy-status`.
    pub proxy_status: Option<CompiledProxyStatus>,
    /// What has to be kept of requests and answers for logs and for answers of ours.
    pub wanted: Wanted,
    /// How much of one connection may be held, as far as that is written.
    pub buffer_bytes: Option<usize>,
}

/// Where the routes of a manager are.
pub enum ActiveRoutes {
    /// Here.
    Inline(Arc<CompiledRoutes>),
    /// In the generation, by name.
    Rds(Name),
}

/// A compiled [`TcpProxy`].
pub struct ActiveTcpProxy {
    /// What it was compiled from.
    pub config: TcpProxy,
    /// Where the bytes go, in the order of the configuration.
    pub clusters: Vec<Arc<ClusterSlot>>,
    /// Which of them takes a connection.
    pub choice: WeightedChoice,
    /// The server name of the connection names the cluster, where there is one.
    pub by_server_name: bool,
    /// Bytes under way in one direction.
    pub buffer_bytes: usize,
    /// Access logs of its connections.
    pub access_logs: AccessLogs,
    /// The request that opens a tunnel for the bytes, where they go through one.
    pub tunnel: Option<TunnelRequest>,
    /// What it does.
    pub stats: Arc<PerWorker<TcpStats>>,
}

/// A listener that cannot be made to work.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Its chains cannot be told apart.
    #[error("listener {listener}: {source}")]
    Chains {
        /// Which listener.
        listener: Name,
        /// Why.
        source: ChainTableError,
    },
    /// A rule about who may connect has a regular expression that is none.
    #[error("listener {listener}: the regular expression '{pattern}' cannot be used: {why}")]
    Regex {
        /// Which listener.
        listener: Name,
        /// The expression.
        pattern: Name,
        /// What is wrong with it.
        why: String,
    },
    /// It listens where another one does.
    #[error("listener {listener} has the address {address} of listener {holder}: change one of the two")]
    Address {
        /// Which listener.
        listener: Name,
        /// Where.
        address: Address,
        /// The other one.
        holder: Name,
    },
    /// Its certificates are of no use.
    #[error("listener {listener}: {source}")]
    Tls {
        /// Which listener.
        listener: Name,
        /// Why.
        source: ContextError,
    },
    /// A route that cannot be compiled.
    #[error("listener {listener}: {source}")]
    Routes {
        /// Which listener.
        listener: Name,
        /// Why.
        source: CompileError,
    },
    /// A filter of an access log or of a local reply that cannot be compiled.
    #[error("listener {listener}: filter of an access log or local reply: {source}")]
    Filter {
        /// Which listener.
        listener: Name,
        /// Why.
        source: RegexError,
    },
    /// An access log that cannot be opened.
    #[error("listener {listener}: {source}")]
    Sink {
        /// Which listener.
        listener: Name,
        /// Why.
        source: OpenError,
    },
}

/// What compiling needs besides the configuration.
pub struct Parts<'a> {
    /// Numbers of clusters.
    pub slots: &'a mut ClusterSlots,
    /// Counters.
    pub registry: &'a Registry,
    /// Open access logs.
    pub sinks: &'a mut Sinks,
    /// TLS contexts.
    pub tls: &'a TlsContexts,
    /// Token buckets that filters share.
    pub buckets: &'a mut SharedBuckets,
    /// Nothing that was compiled before may be taken over.
    pub stale: bool,
    /// How many connections all listeners have.
    pub connections: &'a Arc<ConnectionCount>,
    /// What is set by name.
    pub runtime: &'a Runtime,
    /// The id of the proxy's node.
    pub node_id: &'a str,
}

impl ActiveListener {
    /// Compiles a listener. Chains that `previous` has as well are taken over.
    pub fn compile(
        config: &Arc<Listener>,
        previous: Option<&ActiveListener>,
        parts: &mut Parts<'_>,
    ) -> Result<ActiveListener, ListenerError> {
        let matches: Vec<FilterChainMatch> =
            config.filter_chains.iter().map(|chain| chain.matches.clone()).collect();
        let table = ChainTable::compile(&matches)
            .map_err(|source| ListenerError::Chains { listener: config.name.clone(), source })?;
        let stats = parts.registry.listener(&config.address.to_string());
        let reused = previous.filter(|_| !parts.stale);
        let reused =
            reused.filter(|previous| previous.config.buffer_limit_bytes == config.buffer_limit_bytes);
        let origins = origins(config, reused.map(|previous| &*previous.config));
        let mut chains = Vec::with_capacity(origins.len());
        for (chain, origin) in config.chains().zip(origins) {
            let same = reused.zip(origin).and_then(|(previous, place)| previous.chains.get(place));
            chains.push(match same {
                Some(same) => same.clone(),
                None => Arc::new(compile_chain(config, chain, parts)?),
            });
        }
        let limit = previous.map_or_else(Arc::default, |previous| previous.limit.clone());
        let key = format!("envoy.resource_limits.listener.{}.connection_limit", config.name);
        limit.set_limit(parts.runtime.whole(&key, u32::MAX));
        let compile = |filter| ActiveListenerFilter::compile(filter, parts.registry);
        let filters = config.listener_filters.iter().map(compile).collect();
        let access_logs = parts.sinks.access_logs(&config.name, &config.access_logs, parts.runtime)?;
        Ok(ActiveListener {
            access_logs,
            config: config.clone(),
            stats,
            filters,
            limit,
            global_limit: parts.connections.clone(),
            chains,
            table,
        })
    }

    /// The chain for a connection, with its index.
    pub fn chain(&self, facts: &Facts<'_>) -> Option<(usize, &Arc<ActiveChain>)> {
        let default =
            || self.config.default_filter_chain.is_some().then_some(self.config.filter_chains.len());
        let index = self.table.find(facts).or_else(default)?;
        self.chains.get(index).map(|chain| (index, chain))
    }

    /// The connection managers of its chains.
    pub fn managers(&self) -> impl Iterator<Item = &ActiveManager> {
        self.chains.iter().filter_map(|chain| match &chain.filter {
            ActiveFilter::Http(manager) => Some(&**manager),
            _ => None,
        })
    }

    /// How many chains there are, the default one included.
    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }

    /// For each chain, the index of the equal one of `other`. `None`: the listeners differ in more than their chains.
    pub fn chains_of(&self, other: &ActiveListener) -> Option<Vec<Option<usize>>> {
        let same = self.config.without_chains() == other.config.without_chains();
        same.then(|| origins(&self.config, Some(&other.config)))
    }
}

/// For each chain of a listener, the index of the equal one in the listener before it.
fn origins(config: &Listener, previous: Option<&Listener>) -> Vec<Option<usize>> {
    let Some(previous) = previous.filter(|previous| previous.name == config.name) else {
        return config.chains().map(|_| None).collect();
    };
    let by_match: HashMap<&FilterChainMatch, usize> =
        previous.filter_chains.iter().enumerate().map(|(index, chain)| (&chain.matches, index)).collect();
    let same = |chain: &FilterChain| {
        let place = *by_match.get(&chain.matches)?;
        (previous.filter_chains.get(place) == Some(chain)).then_some(place)
    };
    let default = config.default_filter_chain.as_ref().map(|chain| {
        (previous.default_filter_chain.as_ref() == Some(chain)).then_some(previous.filter_chains.len())
    });
    config.filter_chains.iter().map(same).chain(default).collect()
}

fn compile_chain(
    config: &Listener,
    chain: &FilterChain,
    parts: &mut Parts<'_>,
) -> Result<ActiveChain, ListenerError> {
    let listener = &config.name;
    let buffer_limit = config.buffer_limit_bytes.map(|limit| limit.max(1) as usize);
    let buffer_bytes = buffer_limit.map_or(BUFFER_BYTES, |limit| limit.min(BUFFER_BYTES));
    let tls = match &chain.tls {
        Some(tls) => Some(
            parts
                .tls
                .lock()
                .server(tls)
                .map_err(|source| ListenerError::Tls { listener: listener.clone(), source })?,
        ),
        None => None,
    };
    let filter = match &chain.filter {
        NetworkFilter::Tcp(config) => {
            ActiveFilter::Tcp(Arc::new(compile_tcp(listener, config, chain, buffer_bytes, parts)?))
        }
        NetworkFilter::Echo => ActiveFilter::Echo,
        NetworkFilter::DirectResponse(text) => ActiveFilter::DirectResponse(text.clone()),
        NetworkFilter::Nothing => ActiveFilter::Nothing,
        NetworkFilter::Http(config) => {
            ActiveFilter::Http(Arc::new(compile_manager(listener, config, buffer_limit, parts)?))
        }
    };
    let filters = ActiveConnectionFilter::compile_all(&chain.filters, parts).map_err(|source| {
        ListenerError::Regex { listener: listener.clone(), pattern: source.pattern, why: source.why }
    })?;
    let name = Some(chain.name.clone()).filter(|name| !name.is_empty());
    Ok(ActiveChain { name, filters, handshake_timeout: chain.handshake_timeout, tls, filter })
}

fn compile_tcp(
    listener: &Name,
    config: &TcpProxy,
    chain: &FilterChain,
    buffer_bytes: usize,
    parts: &mut Parts<'_>,
) -> Result<ActiveTcpProxy, ListenerError> {
    let shares = config.clusters.iter().map(|share| WeightedCluster::new(share.name.clone(), share.weight));
    Ok(ActiveTcpProxy {
        access_logs: parts.sinks.access_logs(listener, &config.access_logs, parts.runtime)?,
        config: config.clone(),
        clusters: config.clusters.iter().map(|share| parts.slots.of(&share.name)).collect(),
        choice: WeightedChoice::compile(&shares.collect::<Vec<_>>()),
        by_server_name: chain.filters.contains(&ConnectionFilter::SniCluster),
        buffer_bytes,
        tunnel: config.tunneling.as_deref().map(TunnelRequest::compile),
        stats: parts.registry.tcp(&config.stat_prefix),
    })
}

/// What a connection manager calls itself. Envoy's rules let no other text through than what a header may hold.
fn server(config: &HttpConnectionManager) -> HeaderValue {
    let name = config.server.name.as_ref().and_then(|name| HeaderValue::from_str(name).ok());
    name.unwrap_or(HeaderValue::from_static("ripstop"))
}

fn admission(config: &HttpConnectionManager, runtime: &Runtime) -> Option<Arc<AdmissionController>> {
    let control = config.admission_control.as_deref().filter(|control| runtime.enabled(&control.enabled))?;
    Some(Arc::new(AdmissionController::new(control.clone(), runtime, Instant::now())))
}

fn gradient(config: &HttpConnectionManager, runtime: &Runtime) -> Option<Arc<Gradient>> {
    let adaptive =
        config.adaptive_concurrency.as_deref().filter(|adaptive| runtime.enabled(&adaptive.enabled))?;
    Some(Arc::new(Gradient::new(adaptive.clone(), Instant::now(), fastrand::Rng::new())))
}

fn compile_manager(
    listener: &Name,
    config: &HttpConnectionManager,
    buffer_bytes: Option<usize>,
    parts: &mut Parts<'_>,
) -> Result<ActiveManager, ListenerError> {
    let routes = match &config.routes {
        RouteSource::Rds(name) | RouteSource::File { name, .. } => ActiveRoutes::Rds(name.clone()),
        RouteSource::Inline(routes) => {
            let compiled = CompiledRoutes::compile(Arc::new(routes.clone()), parts.slots, parts.runtime)
                .map_err(|source| ListenerError::Routes { listener: listener.clone(), source })?;
            ActiveRoutes::Inline(Arc::new(compiled))
        }
    };
    let access_logs = parts.sinks.access_logs(listener, &config.access_logs, parts.runtime)?;
    let replies = config.local_replies.as_ref();
    let local_replies = replies.map(|replies| CompiledReplies::compile(replies, parts.runtime)).transpose();
    let local_replies =
        local_replies.map_err(|source| ListenerError::Filter { listener: listener.clone(), source })?;
    let mut wanted = access_logs.wanted().clone();
    if let Some(replies) = &local_replies {
        replies.wants(&mut wanted);
    }
    let filters = ActiveHttpFilter::compile_all(&config.filters, parts.runtime).map_err(|source| {
        ListenerError::Regex { listener: listener.clone(), pattern: source.pattern, why: source.why }
    })?;
    let server = server(config);
    let proxy_status = config.proxy_status.as_ref();
    Ok(ActiveManager {
        config: config.clone(),
        stats: parts.registry.http(&config.stat_prefix),
        access_logs,
        routes,
        rules: HttpRules::compile(config, parts.runtime),
        admission: admission(config, parts.runtime),
        gradient: gradient(config, parts.runtime),
        filters_act_alone: filters.iter().any(ActiveHttpFilter::acts_alone),
        filters,
        proxy_status: proxy_status.map(|status| CompiledProxyStatus::compile(status, &server, parts.node_id)),
        server,
        local_replies,
        wanted,
        buffer_bytes,
    })
}
