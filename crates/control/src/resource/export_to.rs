//! In which namespaces a resource can be seen: Istio's `exportTo`.

use std::collections::BTreeSet;

use ripstop_model::Name;

/// Who may see a resource. The default is everybody, as in Istio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExportTo {
    /// Every namespace (`*`, or nothing written).
    #[default]
    Everywhere,
    /// These namespaces; none (`~`): nobody. `.` has become the name of the resource's own namespace.
    Namespaces(BTreeSet<Name>),
}

impl ExportTo {
    /// Whether workloads of `namespace` see it.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            ExportTo::Everywhere => true,
            ExportTo::Namespaces(namespaces) => namespaces.contains(namespace),
        }
    }
}
