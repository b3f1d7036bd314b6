//! What to try once the mesh is up: ready-made `curl` lines, taken from the routes of its documents.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ripstop_control::resource::{
    Gateway, GatewayRef, GatewayServer, HttpAction, HttpMatch, ServerProtocol, TextMatch, UriRewrite,
    VirtualService,
};
use ripstop_control::world::World;

use crate::up::plan::{Instance, Plan};

/// Lines shown for one address; a mesh may have thousands of routes.
const MAX_LINES: usize = 8;

/// One address and the lines to try it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// What is there, for instance `gateway ingress on 127.0.0.1:10000`.
    pub title: String,
    /// Commands for a shell.
    pub lines: Vec<String>,
}

/// Everything that can be tried from outside: the listeners of gateways, and one sidecar's outbound listener.
pub fn tries(plan: &Plan, world: &World) -> Vec<Try> {
    let mut found = Vec::new();
    for instance in &plan.instances {
        if instance.workload.gateway.is_none() {
            continue;
        }
        for gateway in world.gateways_served_by(&instance.workload.meta.labels) {
            let speaks_http = |server: &&GatewayServer| {
                matches!(server.protocol, ServerProtocol::Http | ServerProtocol::Https)
            };
            for server in gateway.servers.iter().filter(speaks_http) {
                let ip = server.bind.unwrap_or(instance.workload.address);
                let address = reachable(SocketAddr::new(ip, server.port));
                let lines = gateway_lines(address, gateway, server, world);
                let title = format!("gateway {} on {address}", instance.name);
                found.push(Try { title, lines });
            }
        }
    }
    found.extend(outbound(plan, world));
    found
}

/// Nobody can call all addresses at once.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

fn gateway_lines(
    address: SocketAddr,
    gateway: &Gateway,
    server: &GatewayServer,
    world: &World,
) -> Vec<String> {
    // Nobody here knows which roots its certificate leads to.
    let (curl, scheme) = match server.protocol {
        ServerProtocol::Https => ("curl -sk", "https"),
        _ => ("curl -s", "http"),
    };
    let mut lines = Vec::new();
    for service in world.virtual_services() {
        let here = |reference: &GatewayRef| *reference == GatewayRef::Gateway(gateway.meta.key.clone());
        if !service.gateways.iter().any(here) {
            continue;
        }
        let host = host_header(service, server);
        let header = host.map_or(String::new(), |host| format!("-H {} ", quoted(&format!("host: {host}"))));
        for route in &service.http {
            for path in sample_paths(&route.matches) {
                let line = format!("{curl} {header}{}", quoted(&format!("{scheme}://{address}{path}")));
                if printable(&line) && !lines.contains(&line) && lines.len() < MAX_LINES {
                    lines.push(line);
                }
            }
        }
    }
    lines
}

/// The host a request must name; `None` if any does.
fn host_header(service: &VirtualService, server: &GatewayServer) -> Option<String> {
    let hosts: Vec<&str> = service.hosts.iter().map(|(host, _)| &**host).collect();
    let served: Vec<&str> = server.hosts.iter().map(|host| &*host.host).collect();
    if hosts.contains(&"*") && served.contains(&"*") {
        return None;
    }
    let narrower = if hosts.contains(&"*") { served } else { hosts };
    narrower
        .first()
        .map(|host| host.strip_prefix("*.").map_or(host.to_string(), |suffix| format!("www.{suffix}")))
}

/// Paths that the matches of a route take, where a plain GET is enough.
fn sample_paths(matches: &[HttpMatch]) -> Vec<String> {
    if matches.is_empty() {
        return vec!["/".to_owned()];
    }
    let plain = |m: &&HttpMatch| {
        m.authority.is_none()
            && m.headers.is_empty()
            && m.query.is_empty()
            && m.port.is_none()
            && m.method.as_ref().is_none_or(|method| *method == TextMatch::Exact("GET".into()))
    };
    let path = |m: &HttpMatch| match &m.uri {
        Some(TextMatch::Exact(path) | TextMatch::Prefix(path)) => Some(path.to_string()),
        Some(TextMatch::Regex(_)) => None,
        None => Some("/".to_owned()),
    };
    matches.iter().filter(plain).filter_map(path).collect()
}

/// The outbound listener of one sidecar, of the application that calls most others.
fn outbound(plan: &Plan, world: &World) -> Option<Try> {
    let calls = |instance: &&Instance| instance.workload.sidecar.as_ref().map_or(0, |s| s.upstreams.len());
    let with_outbound = |instance: &&Instance| {
        instance.workload.sidecar.as_ref().is_some_and(|sidecar| sidecar.outbound.is_some())
    };
    // The first of those with the most upstreams.
    let caller = plan.instances.iter().rev().filter(with_outbound).max_by_key(calls)?;
    let port = caller.workload.sidecar.as_ref()?.outbound?;
    let paths = known_paths(world);
    let mut lines = Vec::new();
    for service in world.services() {
        let (name, namespace) = (service.meta.name(), service.meta.namespace());
        if caller.workload.service.as_ref() == Some(name) || lines.len() == MAX_LINES {
            continue;
        }
        let near = namespace == caller.workload.meta.namespace();
        let host = if near { name.to_string() } else { format!("{name}.{namespace}") };
        let path = paths.get(&**name).map_or("/", |path| path.as_str());
        let line = format!("curl -s -x http://127.0.0.1:{port} {}", quoted(&format!("http://{host}{path}")));
        if printable(&line) {
            lines.push(line);
        }
    }
    let title =
        format!("as {} calls, through its sidecar's outbound listener on 127.0.0.1:{port}", caller.name);
    (!lines.is_empty()).then_some(Try { title, lines })
}

/// A path that each service is known to answer: the one that routes lead to it with.
fn known_paths(world: &World) -> BTreeMap<&str, String> {
    let mut paths = BTreeMap::new();
    let routes = world.virtual_services().iter().flat_map(|service| &service.http);
    for route in routes {
        let HttpAction::Route(destinations) = &route.action else { continue };
        let path = match &route.rewrite.uri {
            Some(UriRewrite::Prefix(path)) => Some(path.to_string()),
            Some(UriRewrite::Regex(_)) => None,
            None => sample_paths(&route.matches).into_iter().find(|path| path != "/"),
        };
        let Some(path) = path else { continue };
        for share in destinations {
            let host = share.destination.host.split('.').next().unwrap_or_default();
            paths.entry(host).or_insert_with(|| path.clone());
        }
    }
    paths
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-~[]".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn printable(line: &str) -> bool {
    !line.chars().any(char::is_control)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
