//! Whether a proxy is who it says it is: the workload that its node id names must be there, and its certificate must be
//! that workload's.

use ripstop_model::node::{NodeId, Role};
use ripstop_model::{Node, SpiffeId};
use ripstop_xds::server::Refusal;

use crate::resource::ObjectKey;
use crate::translate::{ProxyRef, UnknownProxy};
use crate::world::World;

/// The workload whose proxy this is, and the identity it has proved.
pub(super) fn admit(
    world: &World,
    node: &Node,
    peer: Option<&SpiffeId>,
) -> Result<(ProxyRef, SpiffeId), Refusal> {
    let Some(peer) = peer else {
        return Err(Refusal(
            "this connection shows no valid certificate; get one from IstioCertificateService with a join token and connect with it"
                .to_owned(),
        ));
    };
    let id: NodeId =
        node.id.parse().map_err(|error: ripstop_model::node::InvalidNodeId| Refusal(error.to_string()))?;
    let proxy = ProxyRef::new(id.namespace, id.workload);
    let Some(instance) = world.instance(&key(&proxy)) else {
        return Err(Refusal(UnknownProxy::NoWorkload(proxy).to_string()));
    };
    if instance.identity != *peer {
        return Err(Refusal(format!(
            "the certificate is for {peer}, but workload `{}` in namespace `{}` is {}",
            proxy.workload, proxy.namespace, instance.identity
        )));
    }
    let role = match (&instance.workload.sidecar, &instance.workload.gateway) {
        (Some(_), _) => Role::Sidecar,
        (None, Some(_)) => Role::Gateway,
        (None, None) => return Err(Refusal(UnknownProxy::NoProxy(proxy).to_string())),
    };
    if role != id.role {
        return Err(Refusal(format!(
            "workload `{}` in namespace `{}` has a proxy of role `{}`, but the node id says `{}`",
            proxy.workload,
            proxy.namespace,
            role.as_str(),
            id.role.as_str()
        )));
    }
    Ok((proxy, peer.clone()))
}

/// The identity of a workload, if it is there.
pub(super) fn identity(world: &World, proxy: &ProxyRef) -> Option<SpiffeId> {
    world.instance(&key(proxy)).map(|instance| instance.identity.clone())
}

fn key(proxy: &ProxyRef) -> ObjectKey {
    ObjectKey::new(proxy.namespace.clone(), proxy.workload.clone())
}
