//! Who a proxy says it is. Not proof: proof is the certificate, see [`crate::spiffe`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Name;
use crate::endpoint::Locality;

/// What a proxy serves as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Beside one workload instance.
    Sidecar,
    /// At an edge of the mesh.
    Gateway,
}

impl Role {
    /// The word used in node ids: Istio calls a gateway `router`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Sidecar => "sidecar",
            Role::Gateway => "router",
        }
    }
}

/// Where a proxy is, and the cluster that it belongs to itself: what zone-aware routing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCluster {
    /// The cluster whose endpoints are the proxy and its likes.
    pub name: Name,
    /// Where the proxy is.
    pub locality: Locality,
}

/// Names a proxy in Istio's form `role~ip~workload.namespace~namespace.svc.domain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Sidecar or gateway.
    pub role: Role,
    /// Address of the workload as text.
    pub address: Name,
    /// Name of the workload instance.
    pub workload: Name,
    /// Its namespace.
    pub namespace: Name,
    /// DNS suffix of its services, for instance `default.svc.cluster.local`.
    pub dns_domain: Name,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeId { role, address, workload, namespace, dns_domain } = self;
        write!(f, "{}~{address}~{workload}.{namespace}~{dns_domain}", role.as_str())
    }
}

/// A node id that does not have Istio's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node id '{0}' does not have the form role~ip~workload.namespace~dns-domain")]
pub struct InvalidNodeId(pub String);

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<NodeId, InvalidNodeId> {
        let invalid = || InvalidNodeId(text.chars().take(256).collect());
        let parts: Vec<&str> = text.split('~').collect();
        let &[role, address, workload, dns_domain] = parts.as_slice() else { return Err(invalid()) };
        let role = match role {
            "sidecar" => Role::Sidecar,
            "router" => Role::Gateway,
            _ => return Err(invalid()),
        };
        let (workload, namespace) = workload.rsplit_once('.').ok_or_else(invalid)?;
        if workload.is_empty() || namespace.is_empty() {
            return Err(invalid());
        }
        Ok(NodeId {
            role,
            address: address.into(),
            workload: workload.into(),
            namespace: namespace.into(),
            dns_domain: dns_domain.into(),
        })
    }
}

/// How a proxy introduces itself to a control plane.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// Opaque to xDS; ours and Istio's proxies use the form of [`NodeId`].
    pub id: String,
    /// Name of the service the proxy stands for.
    pub cluster: String,
    /// Flat text metadata such as `NAMESPACE`.
    pub metadata: BTreeMap<String, String>,
    /// Labels of its workload: metadata `LABELS`, as Istio's proxies send them.
    pub labels: BTreeMap<String, String>,
    /// Name and version of the proxy software.
    pub user_agent: String,
}

impl Node {
    /// Metadata key of the namespace, as Istio's proxies send it.
    pub const NAMESPACE: &'static str = "NAMESPACE";
    /// Metadata key of the labels.
    pub const LABELS: &'static str = "LABELS";
    /// Metadata key of the service account.
    pub const SERVICE_ACCOUNT: &'static str = "SERVICE_ACCOUNT";

    /// Whether a gRPC library speaks for an application without a proxy.
    pub fn is_grpc_library(&self) -> bool {
        self.user_agent.starts_with("gRPC")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_round_trip() {
        let text = "sidecar~127.0.0.1~product-v1.shop~shop.svc.cluster.local";
        let id: NodeId = text.parse().unwrap();
        assert_eq!(&*id.workload, "product-v1");
        assert_eq!(&*id.namespace, "shop");
        assert_eq!(id.to_string(), text);
    }

    #[test]
    fn foreign_node_ids_are_refused() {
        for text in ["", "envoy-1", "sidecar~1.2.3.4~noname~x", "waypoint~1~a.b~c", "sidecar~1~.b~c"] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }
}
