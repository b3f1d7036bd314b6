//! What `up` has to run, taken from the documents of the mesh: which processes, on which ports, told what. A plain value; it
//! starts nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ripstop_control::resource::{Mesh, Metadata, Origin, Workload};
use ripstop_control::world::World;
use ripstop_control::world::host::DNS_SUFFIX;
use ripstop_model::node::{NodeId, Role};
use ripstop_model::{Name, SpiffeId};

use crate::up::env::mesh_variables;
use crate::up::ports::Claim;

/// A whole mesh on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The mesh as a whole: name, trust domain, control plane, build command.
    pub mesh: Mesh,
    /// One for each workload that has something to run here.
    pub instances: Vec<Instance>,
    /// Every port that will be used.
    pub claims: Vec<Claim>,
}

/// What runs for one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Name of the workload, with its namespace if that is not the default one.
    pub name: String,
    /// The workload itself.
    pub workload: Workload,
    /// Who it is to others.
    pub identity: SpiffeId,
    /// The proxy beside or instead of an application.
    pub proxy: Option<Proxy>,
    /// The application.
    pub app: Option<App>,
}

/// A proxy to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// How it introduces itself to the control plane.
    pub node: NodeId,
    /// Where its administrator asks.
    pub admin: SocketAddr,
    /// Worker threads, where the documents say.
    pub concurrency: Option<u32>,
    /// Where it takes connections, for the table.
    pub listens: Vec<SocketAddr>,
}

/// An application to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Program; absolute unless it is to be found in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, beyond that of `up`.
    pub env: BTreeMap<String, String>,
    /// Its working directory; `None`: that of `up`.
    pub cwd: Option<PathBuf>,
    /// Its first port.
    pub address: Option<SocketAddr>,
    /// Path that answers 200 when it is ready.
    pub health_path: Option<Name>,
}

impl Plan {
    /// Makes the plan. `directory` is what relative programs are relative to.
    pub fn new(world: &World, directory: &Path) -> Self {
        let mesh = world.mesh().clone();
        let mut claims = vec![
            control_claim(mesh.control.xds, "the control plane, for xDS", "xds", &mesh.meta.origin),
            control_claim(mesh.control.api, "the control plane, for its API", "api", &mesh.meta.origin),
        ];
        let mut instances = Vec::new();
        for known in world.instances() {
            let workload = &known.workload;
            let listens = listens(workload, world);
            claims.extend(workload_claims(workload));
            if workload.gateway.is_some() {
                claims.extend(listens.iter().map(|(address, by, origin)| claim(*address, by, origin)));
            }
            let listens = listens.into_iter().map(|(address, ..)| address).collect();
            let instance = Instance {
                name: display_name(workload),
                proxy: proxy(workload, listens),
                app: app(workload, directory),
                workload: workload.clone(),
                identity: known.identity.clone(),
            };
            if instance.proxy.is_some() || instance.app.is_some() {
                instances.push(instance);
            }
        }
        Plan { mesh, instances, claims }
    }
}

fn display_name(workload: &Workload) -> String {
    let (name, namespace) = (workload.meta.name(), workload.meta.namespace());
    match &**namespace {
        Metadata::DEFAULT_NAMESPACE => name.to_string(),
        namespace => format!("{name}.{namespace}"),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn claim(address: SocketAddr, by: &str, origin: &Origin) -> Claim {
    Claim { address, by: format!("{by} ({})", origin.place()) }
}

/// A port of the control plane; without a Mesh document it is told where the default can be changed.
fn control_claim(address: SocketAddr, by: &str, field: &str, origin: &Origin) -> Claim {
    match origin.line {
        0 => Claim { address, by: format!("{by} (the default of spec.control.{field} of a Mesh document)") },
        _ => claim(address, by, origin),
    }
}

/// The ports that stand in the workload's own document.
fn workload_claims(workload: &Workload) -> Vec<Claim> {
    let name = display_name(workload);
    let mut claims = Vec::new();
    for port in workload.ports.values() {
        if workload.run.is_some() {
            let address = SocketAddr::new(workload.address, port.app);
            claims.push(claim(address, &format!("the application of workload {name}"), &port.origin));
        }
        if let Some(sidecar) = port.sidecar {
            let address = SocketAddr::new(workload.address, sidecar);
            claims.push(claim(address, &format!("the sidecar of workload {name}"), &port.origin));
        }
    }
    if let Some(sidecar) = &workload.sidecar {
        let by = |what: &str| format!("the sidecar of workload {name}, for {what}");
        claims.push(claim(loopback(sidecar.admin), &by("its administrator"), &sidecar.origin));
        if let Some(outbound) = sidecar.outbound {
            claims.push(claim(loopback(outbound), &by("outbound calls"), &sidecar.origin));
        }
        for upstream in &sidecar.upstreams {
            let what = format!("calls to {}", upstream.host);
            claims.push(claim(loopback(upstream.local_port), &by(&what), &upstream.origin));
        }
    }
    if let Some(gateway) = &workload.gateway {
        let by = format!("the gateway {name}, for its administrator");
        claims.push(claim(loopback(gateway.admin), &by, &gateway.origin));
    }
    claims
}

/// Where the proxy of a workload takes connections of others, who says so, and where.
fn listens(workload: &Workload, world: &World) -> Vec<(SocketAddr, String, Origin)> {
    let mut found: Vec<(SocketAddr, String, Origin)> = Vec::new();
    if workload.sidecar.is_some() {
        for port in workload.ports.values() {
            if let Some(sidecar) = port.sidecar {
                found.push((SocketAddr::new(workload.address, sidecar), String::new(), port.origin.clone()));
            }
        }
    }
    if workload.gateway.is_some() {
        for gateway in world.gateways_served_by(&workload.meta.labels) {
            for server in &gateway.servers {
                let address = SocketAddr::new(workload.address, server.port);
                // Several servers may share a port and differ by host: one listener.
                if !found.iter().any(|(other, ..)| *other == address) {
                    let by = format!("the gateway {}", display_name(workload));
                    found.push((address, by, server.origin.clone()));
                }
            }
        }
    }
    found
}

fn proxy(workload: &Workload, listens: Vec<SocketAddr>) -> Option<Proxy> {
    let role = if workload.gateway.is_some() { Role::Gateway } else { Role::Sidecar };
    let namespace = workload.meta.namespace();
    let node = NodeId {
        role,
        address: workload.address.to_string().into(),
        workload: workload.meta.name().clone(),
        namespace: namespace.clone(),
        dns_domain: format!("{namespace}.{DNS_SUFFIX}").into(),
    };
    let admin = loopback(workload.admin_port()?);
    Some(Proxy { node, admin, concurrency: workload.concurrency(), listens })
}

/// `users` of `users.shop.svc.cluster.local`.
fn short_name(host: &str) -> &str {
    host.split_once('.').map_or(host, |(service, _)| service)
}

fn app(workload: &Workload, directory: &Path) -> Option<App> {
    let run = workload.run.as_ref()?;
    let (program, args) = run.command.split_first()?;
    // As a shell does it: a slash makes it a path, otherwise it is looked up.
    let program = if program.contains('/') { directory.join(program) } else { PathBuf::from(program) };
    let mut env = BTreeMap::new();
    if let Some(sidecar) = &workload.sidecar {
        let upstreams: Vec<(String, u16)> =
            sidecar.upstreams.iter().map(|u| (short_name(&u.host).to_owned(), u.local_port)).collect();
        env.extend(mesh_variables(&upstreams, sidecar.outbound));
    }
    env.extend(run.env.clone());
    let first_port = workload.ports.values().next().map(|port| port.app);
    Some(App {
        program,
        args: args.to_vec(),
        env,
        cwd: run.cwd.as_ref().map(|cwd| directory.join(cwd)),
        address: first_port.map(|port| SocketAddr::new(workload.address, port)),
        health_path: workload.health.as_ref().map(|health| health.path.clone()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
