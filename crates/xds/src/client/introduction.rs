//! How a proxy introduces itself to a control plane, with everything that its file says of it.

use ripstop_model::Node;

use crate::pb;

/// Envoy's `Node`, whole: what [`Node`] has and what only control planes read, such as the locality and nested metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Introduction {
    pub(crate) node: pb::Node,
}

impl Introduction {
    /// This one with the id, the cluster and the software that `node` names.
    #[must_use]
    pub fn named(mut self, node: &Node) -> Introduction {
        let (name, version) = node.user_agent.split_once(['/', ' ']).unwrap_or((&node.user_agent, ""));
        self.node.id.clone_from(&node.id);
        self.node.cluster.clone_from(&node.cluster);
        self.node.user_agent_name = name.to_owned();
        self.node.user_agent_version_type = (!version.is_empty())
            .then(|| pb::node::UserAgentVersionType::UserAgentVersion(version.to_owned()));
        self
    }
}

impl From<&Node> for Introduction {
    fn from(node: &Node) -> Introduction {
        let fields = node.metadata.iter().map(|(key, value)| {
            (key.clone(), pb::Value { kind: Some(pb::value::Kind::StringValue(value.clone())) })
        });
        let metadata = Some(pb::Struct { fields: fields.collect() });
        Introduction { node: pb::Node { metadata, ..Default::default() } }.named(node)
    }
}
