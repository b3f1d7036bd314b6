//! How a proxy introduces itself to a control plane, with everything that its file says of it.

use std::collections::{BTreeMap, HashMap};

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
        let mut fields = texts(&node.metadata);
        if !node.labels.is_empty() {
            let labels = pb::value::Kind::StructValue(pb::Struct { fields: texts(&node.labels) });
            fields.insert(Node::LABELS.to_owned(), pb::Value { kind: Some(labels) });
        }
        let metadata = Some(pb::Struct { fields });
        Introduction { node: pb::Node { metadata, ..Default::default() } }.named(node)
    }
}

fn texts(of: &BTreeMap<String, String>) -> HashMap<String, pb::Value> {
    let value = |text: &String| pb::Value { kind: Some(pb::value::Kind::StringValue(text.clone())) };
    of.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}
