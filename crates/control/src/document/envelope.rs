//! The part of a document that every kind has: `apiVersion`, `kind`, `metadata`.

use ripstop_yaml::{Reader, nearest};

use crate::document::common::{Decoder, dns_name, label, labels, shorten};
use crate::resource::{Kind, Metadata, ObjectKey};

/// Fields of Kubernetes metadata that say nothing to a mesh. They are accepted, since documents often come from a cluster.
const IGNORED_METADATA: [&str; 9] = [
    "annotations",
    "creationTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What `apiVersion` and `kind` say; `None` after reporting that they are not among the accepted ones.
pub(super) fn kind(root: &Reader<'_>) -> Option<Kind> {
    let version = root.required_str("apiVersion");
    let word = root.required_str("kind");
    let (version, word) = (version?, word?);
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == word) else {
        let group = version.split('/').next().unwrap_or_default();
        let of_group: Vec<&str> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.api_versions().iter().any(|v| v.starts_with(&format!("{group}/"))))
            .map(Kind::as_str)
            .collect();
        let help = match nearest(&word, Kind::ALL.iter().map(|kind| kind.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None if of_group.is_empty() => format!("accepted are {}", accepted()),
            None => format!("of {group}, accepted are {}", of_group.join(", ")),
        };
        root.error_with_help("kind", format!("`{}` is not a kind that is accepted", shorten(&word)), help);
        return None;
    };
    if !kind.api_versions().contains(&version.as_str()) {
        root.error_with_help(
            "apiVersion",
            format!("`{}` has no {kind} that is accepted", shorten(&version)),
            format!("{kind} is accepted as {}", kind.api_versions().join(", ")),
        );
        return None;
    }
    Some(kind)
}

fn accepted() -> String {
    let one = |kind: Kind| format!("{kind} ({})", kind.api_versions().first().copied().unwrap_or_default());
    Kind::ALL.map(one).join(", ")
}

/// Name, namespace and labels, and whether the namespace is written.
pub(super) fn metadata(decoder: &Decoder<'_>, root: &Reader<'_>, kind: Kind) -> Option<(Metadata, bool)> {
    let reader = root.required("metadata")?.map()?;
    let name = reader.required("name").and_then(|field| match kind {
        // Become a label in a host name.
        Kind::Service => label(&field),
        _ => dns_name(&field),
    });
    let namespace = reader.field("namespace").map(|field| label(&field));
    let labels = labels(&reader, "labels");
    for key in IGNORED_METADATA {
        reader.node(key);
    }
    reader.finish();
    let namespace_written = namespace.is_some();
    // A document with an error gives no resource; a name that is wrong must not hide what is wrong below it.
    let namespace = namespace.flatten().unwrap_or_else(|| Metadata::DEFAULT_NAMESPACE.into());
    let key = ObjectKey::new(namespace, name.unwrap_or_else(|| "".into()));
    Some((Metadata { key, labels, origin: decoder.origin(root) }, namespace_written))
}
