//! The path, the host and the names of headers, in the form in which routes and upstreams get them.

use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ripstop_model::http_manager::paths::{HostRules, Underscores};
use ripstop_model::http1::Http1Options;
use ripstop_policy::sanitise::host::cut;
use ripstop_policy::sanitise::path::PathDecision;

use super::Stop;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;
use crate::http::target::Target;
use crate::stats::http::HttpStats;
use crate::worker::Worker;

/// Where the request wants to go, as far as the connection manager lets it say so.
pub fn of(parts: &mut Parts, http1: &Http1Options) -> Result<Target, ProxyError> {
    if let Some(host) = &http1.default_host_for_http_10
        && parts.version == Version::HTTP_10
        && !parts.headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(host)
    {
        parts.headers.insert(header::HOST, host);
    }
    let absolute = parts.version < Version::HTTP_2 && parts.uri.scheme().is_some();
    if absolute && !http1.allow_absolute_url {
        return Err(ProxyError::NoPath);
    }
    Target::of(&parts.uri, &parts.headers).ok_or(ProxyError::MissingHost)
}

/// Does with headers that have an underscore in their name what the connection manager is configured to.
pub fn underscores(
    headers: &mut HeaderMap,
    action: Underscores,
    stats: &HttpStats,
) -> Result<(), ProxyError> {
    if action == Underscores::Allow {
        return Ok(());
    }
    let with: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    if with.is_empty() {
        return Ok(());
    }
    if action == Underscores::Reject {
        stats.rq_underscore.inc();
        return Err(ProxyError::Underscore);
    }
    for name in with {
        headers.remove(name);
        stats.headers_underscore.inc();
    }
    Ok(())
}

/// Gives the path one form.
pub fn path(
    target: &mut Target,
    manager: &ActiveManager,
    worker: &Worker,
    is_grpc: bool,
) -> Result<(), Stop> {
    let stats = manager.stats.of(worker.id);
    if !target.path.as_str().starts_with('/') {
        return Err(Stop::Refused(ProxyError::NoPath));
    }
    let refused = || {
        stats.rq_failed_path.inc();
        Stop::Refused(ProxyError::BadPath)
    };
    match manager.rules.paths.decide(target.path.as_str()) {
        PathDecision::Same => {}
        PathDecision::Changed(path) => {
            target.path = PathAndQuery::try_from(path).map_err(|_| refused())?;
        }
        // Clients of gRPC do not follow.
        PathDecision::Redirect(_) if is_grpc => return Err(refused()),
        PathDecision::Redirect(path) => {
            stats.rq_redirected_path.inc();
            return Err(Stop::Redirected(HeaderValue::try_from(path).map_err(|_| refused())?));
        }
        PathDecision::Reject(path) => {
            // The log has it as Envoy would.
            if let Ok(path) = PathAndQuery::try_from(path) {
                target.path = path;
            }
            return Err(refused());
        }
    }
    Ok(())
}

/// Leaves out what does not count of the host.
pub fn host(target: &mut Target, rules: HostRules, local_port: u16) -> Result<(), ProxyError> {
    if rules == HostRules::default() {
        return Ok(());
    }
    let whole = target.authority.as_str();
    let short = match cut(rules, whole, local_port) {
        (name, None) if name.len() == whole.len() => return Ok(()),
        (name, None) => name.to_owned(),
        (name, Some(port)) => format!("{name}:{port}"),
    };
    target.authority = Authority::try_from(short).map_err(|_| ProxyError::MissingHost)?;
    Ok(())
}
