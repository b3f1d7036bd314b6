//! What things are called on the wire, in logs and in metrics: Istio's names where Istio has one.

use std::net::SocketAddr;

use ripstop_model::Name;

use crate::resource::VirtualService;

/// Route configuration of the outbound listener that routes by host.
pub const OUTBOUND_ROUTES: &str = "outbound";

/// Cluster of a service port or a subset of it: `outbound|8080|v1|users.default.svc.cluster.local`.
pub fn outbound_cluster(port: u16, subset: Option<&str>, host: &str) -> Name {
    format!("outbound|{port}|{}|{host}", subset.unwrap_or_default()).into()
}

/// Cluster of the application beside a sidecar: `inbound|8080||`.
pub fn inbound_cluster(app_port: u16) -> Name {
    format!("inbound|{app_port}||").into()
}

/// Server name that goes with [`outbound_cluster`]; it is a valid DNS name.
pub fn server_name(port: u16, subset: Option<&str>, host: &str) -> Name {
    format!("outbound_.{port}_.{}_.{host}", subset.unwrap_or_default()).into()
}

/// Listener on an address: `127.0.0.1_15001`.
pub fn listener(address: SocketAddr) -> Name {
    format!("{}_{}", address.ip(), address.port()).into()
}

/// Beginning of the metric names of a listener: `inbound_127.0.0.1_15001`.
pub fn stat_prefix(direction: &str, address: SocketAddr) -> Name {
    format!("{direction}_{}_{}", address.ip(), address.port()).into()
}

/// Virtual host of a port of a service: `users.default.svc.cluster.local:8080`.
pub fn virtual_host(host: &str, port: u16) -> Name {
    format!("{host}:{port}").into()
}

/// Route configuration of a local port for one service.
pub fn upstream_routes(host: &str, port: u16) -> Name {
    format!("upstream|{host}|{port}").into()
}

/// Route configuration of a gateway port.
pub fn gateway_routes(port: u16) -> Name {
    format!("http.{port}").into()
}

/// Route from a rule of a virtual service: `VirtualService default/shop http[1] products`, and the condition if the rule
/// has several.
pub fn rule(vs: &VirtualService, index: usize, name: Option<&str>, condition: Option<usize>) -> Name {
    let mut text = format!("VirtualService {} http[{index}]", vs.meta.key);
    if let Some(name) = name {
        text.push(' ');
        text.push_str(name);
    }
    if let Some(condition) = condition {
        text.push_str(&format!(" match[{condition}]"));
    }
    text.into()
}
