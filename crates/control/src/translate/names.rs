//! What things are called on the wire, in logs and in metrics: Istio's names where Istio has one.

use std::net::SocketAddr;

use ripstop_model::Name;

use crate::resource::{Gateway, GatewayServer, ObjectKey};
use crate::world::{Callee, HttpRule};

/// Route configuration of the outbound listener that routes by host.
pub const OUTBOUND_ROUTES: &str = "outbound";

/// Cluster of a service port or a subset of it: `outbound|8080|v1|users.default.svc.cluster.local`.
pub fn outbound_cluster(port: u16, subset: Option<&str>, host: &str) -> Name {
    format!("outbound|{port}|{}|{host}", subset.unwrap_or_default()).into()
}

/// Whether a cluster is one of this port of `host`, whatever its subset.
pub(super) fn is_of(cluster: &str, port: u16, host: &str) -> bool {
    parse_outbound_cluster(cluster).is_some_and(|(number, _, name)| number == port && name == host)
}

/// The host that a cluster leads to.
pub(crate) fn host_of(cluster: &str) -> Option<&str> {
    parse_outbound_cluster(cluster).map(|(_, _, host)| host)
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

/// The virtual service and the position of its rule that [`rule`] has named.
pub fn parse_rule(name: &str) -> Option<(ObjectKey, usize)> {
    let rest = name.strip_prefix("VirtualService ")?;
    let (key, rest) = rest.split_once(" http[")?;
    let (namespace, name) = key.split_once('/')?;
    let (index, rest) = rest.split_once(']')?;
    if let Some(delegate) = rest.strip_prefix(" > ").and_then(parse_rule) {
        return Some(delegate);
    }
    Some((ObjectKey::new(namespace, name), index.parse().ok()?))
}

/// Port, subset and host that [`outbound_cluster`] has named.
pub fn parse_outbound_cluster(name: &str) -> Option<(u16, Option<&str>, &str)> {
    let mut parts = name.strip_prefix("outbound|")?.splitn(3, '|');
    let (port, subset, host) = (parts.next()?, parts.next()?, parts.next()?);
    Some((port.parse().ok()?, Some(subset).filter(|subset| !subset.is_empty()), host))
}

/// Route configuration of a server that ends TLS: `https.443.https.shop.default`, as in Istio.
pub fn gateway_tls_routes(gateway: &Gateway, server: &GatewayServer) -> Name {
    let key = &gateway.meta.key;
    format!("https.{}.{}.{}.{}", server.port, server.port_name, key.name, key.namespace).into()
}

/// Route configuration of an egress of a Sidecar with a port of its own.
pub fn egress_routes(port: u16) -> Name {
    format!("egress|{port}").into()
}

/// Route to what no virtual service routes: `Service default/users port 8080`.
pub fn plain_route(callee: &Callee, port: u16) -> Name {
    match callee.entry() {
        None => format!("Service {} port {port}", callee.key()).into(),
        Some(_) => format!("ServiceEntry {} {} port {port}", callee.key(), callee.host).into(),
    }
}

/// Route from a rule of a virtual service: `VirtualService default/shop http[1] products`, the condition if the rule has
/// several, and for a delegate who led there.
pub fn rule(rule: &HttpRule<'_>, condition: Option<usize>) -> Name {
    let mut text = String::new();
    if let Some((outer, index)) = rule.through {
        text.push_str(&format!("VirtualService {} http[{index}] > ", outer.meta.key));
    }
    text.push_str(&format!("VirtualService {} http[{}]", rule.document.meta.key, rule.index));
    if let Some(name) = &rule.rule.name {
        text.push(' ');
        text.push_str(name);
    }
    if let Some(condition) = condition {
        text.push_str(&format!(" match[{condition}]"));
    }
    text.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_are_of() {
        let cluster = outbound_cluster(8080, Some("v1"), "users.default.svc.cluster.local");
        assert_eq!(
            parse_outbound_cluster(&cluster),
            Some((8080, Some("v1"), "users.default.svc.cluster.local"))
        );
        assert_eq!(parse_outbound_cluster("outbound|80||a").unwrap().1, None);
        assert_eq!(parse_outbound_cluster("inbound|80||"), None);
        let parsed = |name: &str| parse_rule(name).map(|(key, index)| (key.to_string(), index));
        assert_eq!(parsed("VirtualService c/a.b http[3] x[1] y match[2]"), Some(("c/a.b".to_owned(), 3)));
        let delegate = "VirtualService a/b http[0] > VirtualService c/d http[2] match[1]";
        assert_eq!(parsed(delegate), Some(("c/d".to_owned(), 2)));
        assert_eq!(parse_rule("Service c/a port 3"), None);
    }
}
