//! Whether a proxy, or a gRPC library, is who it says it is. A proxy names a workload, and must have that workload's
//! certificate; a library names a namespace, and must have a certificate of that namespace. Whoever comes through a door
//! that only this machine can reach is taken at its word.

use ripstop_model::node::{NodeId, Role};
use ripstop_model::{Name, Node, SpiffeId};
use ripstop_xds::server::{Peer, Refusal};

use crate::resource::{Labels, Metadata, ObjectKey};
use crate::translate::{ProxyRef, UnknownProxy};
use crate::world::{Instance, World};

/// Whoever has been let in.
pub(super) struct Admitted {
    /// Whose configuration it gets.
    pub(super) proxy: ProxyRef,
    /// What it has proved to be, or what its workload is; `None`: a library that was taken at its word.
    pub(super) identity: Option<SpiffeId>,
}

/// Whose configuration this node gets.
pub(super) fn admit(world: &World, node: &Node, peer: &Peer) -> Result<Admitted, Refusal> {
    if *peer == Peer::Unknown {
        return Err(Refusal(
            "this connection shows no valid certificate; get one from IstioCertificateService with a join token and connect with it"
                .to_owned(),
        ));
    }
    if node.is_grpc_library() {
        return library(node, peer);
    }
    let (proxy, role) = named(node)?;
    let Some(instance) = world.instance(&key(&proxy)) else {
        return Err(Refusal(UnknownProxy::NoWorkload(proxy).to_string()));
    };
    check_identity(&proxy, instance, node, peer)?;
    check_role(&proxy, instance, role)?;
    Ok(Admitted { proxy, identity: Some(instance.identity.clone()) })
}

/// The identity of a workload, if it is there. A library keeps the one that it came with.
pub(super) fn identity(world: &World, proxy: &ProxyRef, had: Option<&SpiffeId>) -> Option<SpiffeId> {
    match proxy.library {
        Some(_) => had.cloned(),
        None => world.instance(&key(proxy)).map(|instance| instance.identity.clone()),
    }
}

/// The workload that a node names: by an id of Istio's form, or by any id together with a namespace in its metadata.
fn named(node: &Node) -> Result<(ProxyRef, Option<Role>), Refusal> {
    match (node.id.parse::<NodeId>(), node.metadata.get(Node::NAMESPACE)) {
        (Ok(id), _) => Ok((ProxyRef::new(id.namespace, id.workload), Some(id.role))),
        (Err(_), Some(namespace)) if !node.id.is_empty() => {
            Ok((ProxyRef::new(namespace.as_str(), node.id.as_str()), None))
        }
        (Err(error), _) => Err(Refusal(format!(
            "{error}; or make it the name of a Workload, and say its namespace in node.metadata.{}",
            Node::NAMESPACE
        ))),
    }
}

fn check_identity(proxy: &ProxyRef, instance: &Instance, node: &Node, peer: &Peer) -> Result<(), Refusal> {
    let workload = &instance.workload;
    if let Some(account) = node.metadata.get(Node::SERVICE_ACCOUNT)
        && **account != *workload.service_account
    {
        return Err(Refusal(format!(
            "node.metadata.{} is `{account}`, but workload `{}` in namespace `{}` has service account `{}`",
            Node::SERVICE_ACCOUNT,
            proxy.workload,
            proxy.namespace,
            workload.service_account
        )));
    }
    match peer {
        Peer::Proved(proved) if instance.identity != *proved => Err(Refusal(format!(
            "the certificate is for {proved}, but workload `{}` in namespace `{}` is {}",
            proxy.workload, proxy.namespace, instance.identity
        ))),
        Peer::Proved(_) | Peer::Local | Peer::Unknown => Ok(()),
    }
}

fn check_role(proxy: &ProxyRef, instance: &Instance, said: Option<Role>) -> Result<(), Refusal> {
    let role = match (&instance.workload.sidecar, &instance.workload.gateway) {
        (Some(_), _) => Role::Sidecar,
        (None, Some(_)) => Role::Gateway,
        (None, None) => return Err(Refusal(UnknownProxy::NoProxy(proxy.clone()).to_string())),
    };
    match said {
        Some(said) if said != role => Err(Refusal(format!(
            "workload `{}` in namespace `{}` has a proxy of role `{}`, but the node id says `{}`",
            proxy.workload,
            proxy.namespace,
            role.as_str(),
            said.as_str()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// A gRPC library belongs to no workload of the mesh; its namespace and labels choose what it sees.
fn library(node: &Node, peer: &Peer) -> Result<Admitted, Refusal> {
    let namespace = node.metadata.get(Node::NAMESPACE).map(String::as_str);
    let (namespace, identity) = match peer {
        Peer::Proved(id) => {
            let Some(own) = id.namespace().map(str::to_owned) else {
                return Err(Refusal(format!("{id} is not the identity of a workload")));
            };
            if let Some(said) = namespace.filter(|said| **said != *own) {
                return Err(Refusal(format!(
                    "the certificate is for {id}, but node.metadata.{} says `{said}`",
                    Node::NAMESPACE
                )));
            }
            (own, Some(id.clone()))
        }
        Peer::Local | Peer::Unknown => (namespace.unwrap_or(Metadata::DEFAULT_NAMESPACE).to_owned(), None),
    };
    let labels: Labels =
        node.labels.iter().map(|(key, value)| (Name::from(key.as_str()), value.as_str().into())).collect();
    let proxy = ProxyRef::library(namespace, node.id.as_str(), labels);
    Ok(Admitted { proxy, identity })
}

fn key(proxy: &ProxyRef) -> ObjectKey {
    ObjectKey::new(proxy.namespace.clone(), proxy.workload.clone())
}
