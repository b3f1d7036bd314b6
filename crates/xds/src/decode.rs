//! Wire → model. A resource is taken whole or not at all, and what we do not support is reported:
//! as a problem where leaving it out would be unsafe (who may connect, what matches, where requests go),
//! as a warning elsewhere. Which fields are supported is written down in `decode/support/table.rs`.

mod access_log;
mod adaptive_concurrency;
mod admission_control;
mod balancing;
mod chain_match;
mod circuit_breaker;
mod cluster;
mod common;
pub(crate) mod config_source;
mod cookie;
mod cors;
mod dns;
mod endpoint;
mod extension;
mod fault;
mod filter_chain;
mod format;
mod health_check;
mod http1;
mod http2;
mod http_filters;
mod http_manager;
mod lb_extension;
mod listener;
mod listener_filter;
mod load_shedding;
mod matcher;
mod metadata;
mod mirror;
mod network_filter;
pub(crate) mod outlier;
mod rbac;
mod retry;
mod route;
mod route_times;
mod runtime;
pub(crate) mod runtime_layer;
mod session;
mod subsets;
mod support;
mod tls;
mod upgrade;
mod upstream_connection;
mod upstream_http;

#[cfg(test)]
mod tests;

use std::fmt;

use prost::{Message, Name as WireName};
use ripstop_model::address::BindAddress;
use ripstop_model::matcher::StringMatch;
use ripstop_model::runtime::SentLayer;
use ripstop_model::{Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret};

use crate::wire::split_off;
use crate::{pb, schema, validate};
use common::Context;

/// Who has the secrets that workloads of a mesh are known by, `default` and `ROOTCA`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkloadSecrets {
    /// The proxy itself, which has an identity in the mesh and renews it.
    #[default]
    Own,
    /// Whoever sends secrets: the proxy has no identity of its own.
    Sent,
}

/// A resource that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<T> {
    /// What it says.
    pub value: T,
    /// What it says beyond that, without effect here.
    pub warnings: Vec<Unsupported>,
}

/// Something that is understood but has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Where, for instance `filter_chains[0].filters[0].typed_config.via`.
    pub path: String,
    /// What becomes of it.
    pub message: String,
}

/// One reason why a resource cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; empty: the resource as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// A resource that cannot be taken, with every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// Name of the resource; empty when not even that could be read.
    pub name: String,
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", if self.name.is_empty() { "(unnamed)" } else { &self.name })?;
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, &self.path, &self.message)
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, &self.path, &self.message)
    }
}

fn write_at(f: &mut fmt::Formatter<'_>, path: &str, message: &str) -> fmt::Result {
    if path.is_empty() { f.write_str(message) } else { write!(f, "{path}: {message}") }
}

/// Reads a listener from the value of its `Any`. Without a name of its own it gets that of its address.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_listener(bytes: &[u8]) -> Result<Decoded<Listener>, Rejection> {
    decode_listener_for(WorkloadSecrets::Own, bytes)
}

/// The same for a proxy that says who has the secrets of its workload.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_listener_for(workload: WorkloadSecrets, bytes: &[u8]) -> Result<Decoded<Listener>, Rejection> {
    decode_with(Context::new(workload), bytes, |wire: &pb::Listener| &wire.name, listener::listener)
}

/// Reads a route configuration from the value of its `Any`.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_route_configuration(bytes: &[u8]) -> Result<Decoded<RouteConfiguration>, Rejection> {
    // The generated types take twenty times what they are made of: virtual hosts are read one after the other.
    let malformed = |error: &dyn fmt::Display| malformed::<pb::RouteConfiguration>(error);
    let (others, hosts) = split_off(bytes, route::VIRTUAL_HOSTS).map_err(|error| malformed(&error))?;
    let wire = pb::RouteConfiguration::decode(others.as_slice()).map_err(|error| malformed(&error))?;
    let mut cx = Context::default();
    check::<pb::RouteConfiguration>(&mut cx, bytes);
    let routes = route::with_encoded_hosts(&mut cx, &wire, &hosts);
    if routes.name.is_empty() {
        cx.at("name", |cx| cx.reject("a route configuration needs a name"));
    }
    finish(cx, wire.name, Some(routes))
}

/// Reads a cluster from the value of its `Any`.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_cluster(bytes: &[u8]) -> Result<Decoded<Cluster>, Rejection> {
    decode_cluster_for(WorkloadSecrets::Own, bytes)
}

/// The same for a proxy that says who has the secrets of its workload.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_cluster_for(workload: WorkloadSecrets, bytes: &[u8]) -> Result<Decoded<Cluster>, Rejection> {
    decode_with(Context::new(workload), bytes, |wire: &pb::Cluster| &wire.name, cluster::cluster)
}

/// Reads a layer of values that are set by name from the value of its `Any`.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_runtime(bytes: &[u8]) -> Result<Decoded<SentLayer>, Rejection> {
    decode(bytes, |wire: &pb::Runtime| &wire.name, runtime_layer::sent_layer)
}

/// Reads a secret from the value of its `Any`.
///
/// # Errors
/// Every reason why it cannot be taken.
pub fn decode_secret(bytes: &[u8]) -> Result<Decoded<Secret>, Rejection> {
    decode(bytes, |wire: &pb::Secret| &wire.name, tls::secret::secret)
}

/// Reads the endpoints of a cluster from the value of their `Any`.
///
/// # Errors
/// Every reason why they cannot be taken.
pub fn decode_load_assignment(bytes: &[u8]) -> Result<Decoded<ClusterLoadAssignment>, Rejection> {
    decode(bytes, |wire: &pb::ClusterLoadAssignment| &wire.cluster_name, endpoint::load_assignment)
}

fn decode<W, T>(
    bytes: &[u8],
    name: fn(&W) -> &String,
    read: impl FnOnce(&mut Context, &W) -> Option<T>,
) -> Result<Decoded<T>, Rejection>
where
    W: Message + WireName + Default,
{
    decode_with(Context::default(), bytes, name, read)
}

fn decode_with<W, T>(
    mut cx: Context,
    bytes: &[u8],
    name: fn(&W) -> &String,
    read: impl FnOnce(&mut Context, &W) -> Option<T>,
) -> Result<Decoded<T>, Rejection>
where
    W: Message + WireName + Default,
{
    let wire = W::decode(bytes).map_err(|error| malformed::<W>(&error))?;
    check::<W>(&mut cx, bytes);
    let value = read(&mut cx, &wire);
    let name = name(&wire).clone();
    finish(cx, name, value)
}

fn malformed<W: WireName>(error: &dyn fmt::Display) -> Rejection {
    let message = format!("not a valid {}: {error}", W::full_name());
    Rejection { name: String::new(), problems: vec![Problem { path: String::new(), message }] }
}

/// Envoy's rules, and the fields that are not supported.
fn check<W: WireName>(cx: &mut Context, bytes: &[u8]) {
    for violation in validate::check(&W::full_name(), bytes) {
        cx.problem(violation.path, violation.message);
    }
    if let Some(schema) = schema::message(&W::full_name()) {
        support::check(cx, schema, bytes);
    }
}

fn finish<T>(cx: Context, name: String, value: Option<T>) -> Result<Decoded<T>, Rejection> {
    let (problems, warnings) = cx.finish();
    match value {
        Some(value) if problems.is_empty() => Ok(Decoded { value, warnings }),
        _ if problems.is_empty() => {
            // A reader that gives nothing has said why; this holds even if one forgets.
            let message = "cannot be read".to_owned();
            Err(Rejection { name, problems: vec![Problem { path: String::new(), message }] })
        }
        _ => Err(Rejection { name, problems }),
    }
}

/// Where admin pages are, and the only paths that are answered; empty: all. Problems are told to `tell`.
pub(crate) fn read_admin(
    wire: &pb::Admin,
    tell: &mut dyn FnMut(&str, String),
) -> (Option<BindAddress>, Vec<StringMatch>) {
    let mut cx = Context::default();
    let address = cx.at("address", |cx| common::bind_address(cx, wire.address.as_ref()));
    let paths = cx.items("allow_paths", &wire.allow_paths, matcher::string);
    let (problems, _) = cx.finish();
    problems.into_iter().for_each(|problem| tell(&problem.path, problem.message));
    (address, paths)
}
