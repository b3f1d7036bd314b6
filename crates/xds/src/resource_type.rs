//! The kinds of resource that a proxy lives on, in the order in which they are sent.

use std::fmt;

/// A kind of xDS resource. The order is make-before-break: what is referred to comes before what refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// CDS.
    Cluster,
    /// EDS.
    Endpoint,
    /// LDS.
    Listener,
    /// RDS.
    Route,
    /// SDS. Whoever asks for one waits for it, whatever is sent before.
    Secret,
    /// RTDS.
    Runtime,
}

impl ResourceType {
    /// All kinds, in the order of additions and changes. Removals go the other way.
    pub const ALL: [ResourceType; ResourceType::COUNT] = [
        ResourceType::Cluster,
        ResourceType::Endpoint,
        ResourceType::Listener,
        ResourceType::Route,
        ResourceType::Secret,
        ResourceType::Runtime,
    ];

    /// The kinds that are asked for by name, as other resources name them.
    pub(crate) const BY_NAME: [ResourceType; 3] =
        [ResourceType::Endpoint, ResourceType::Route, ResourceType::Secret];

    /// How many kinds there are.
    pub const COUNT: usize = 6;

    /// The type URL of its resources.
    pub fn type_url(self) -> &'static str {
        match self {
            ResourceType::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            ResourceType::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            ResourceType::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            ResourceType::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            ResourceType::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            ResourceType::Runtime => "type.googleapis.com/envoy.service.runtime.v3.Runtime",
        }
    }

    /// The kind with this type URL.
    pub fn from_type_url(url: &str) -> Option<ResourceType> {
        ResourceType::ALL.into_iter().find(|kind| kind.type_url() == url)
    }

    /// Full name of its protobuf message.
    pub fn message_name(self) -> &'static str {
        let url = self.type_url();
        url.rsplit_once('/').map_or(url, |(_, name)| name)
    }

    /// `CDS`, `EDS`, `LDS`, `RDS`, `SDS` or `RTDS`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceType::Cluster => "CDS",
            ResourceType::Endpoint => "EDS",
            ResourceType::Listener => "LDS",
            ResourceType::Route => "RDS",
            ResourceType::Secret => "SDS",
            ResourceType::Runtime => "RTDS",
        }
    }

    /// Whether a subscription without names means everything.
    pub fn has_wildcard(self) -> bool {
        matches!(self, ResourceType::Cluster | ResourceType::Listener)
    }

    /// Place in [`ResourceType::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;
    use prost::Name;

    #[test]
    fn type_urls_are_those_of_the_messages() {
        assert_eq!(ResourceType::Cluster.type_url(), pb::Cluster::type_url());
        assert_eq!(ResourceType::Endpoint.type_url(), pb::ClusterLoadAssignment::type_url());
        assert_eq!(ResourceType::Listener.type_url(), pb::Listener::type_url());
        assert_eq!(ResourceType::Route.type_url(), pb::RouteConfiguration::type_url());
        assert_eq!(ResourceType::Secret.type_url(), pb::Secret::type_url());
        assert_eq!(ResourceType::Runtime.type_url(), pb::Runtime::type_url());
        for (index, kind) in ResourceType::ALL.into_iter().enumerate() {
            assert_eq!(ResourceType::from_type_url(kind.type_url()), Some(kind));
            assert_eq!(kind.index(), index);
        }
        assert_eq!(ResourceType::Cluster.message_name(), "envoy.config.cluster.v3.Cluster");
    }
}
