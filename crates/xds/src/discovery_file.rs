//! Files that hold a `DiscoveryResponse`: text in, resources out, every problem with its place.

use std::sync::Arc;

use prost::Message as _;
use ripstop_model::tls::SecretRef;
use ripstop_model::{Name, Snapshot};
use ripstop_yaml::{Problem, Problems, Severity, Source, parse};

use crate::ResourceType;
use crate::binder::bind;
use crate::client::{Accepted, read};
use crate::decode::WorkloadSecrets;
use crate::pb;
use crate::place::{Place, below};

/// The message that such a file holds.
const MESSAGE: &str = "envoy.service.discovery.v3.DiscoveryResponse";

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryFile {
    /// What it calls itself.
    pub version: String,
    /// Its resources.
    pub resources: Snapshot,
}

/// Whether a text looks like such a file: a mapping with a list of resources that name their types.
pub fn is_discovery_file(source: &Source) -> bool {
    let Ok(documents) = parse(source) else { return false };
    let Some(document) = documents.first() else { return false };
    let resources = document.root.get("resources").map(|node| &node.value);
    let typed = |node: &ripstop_yaml::Node| node.get("@type").is_some();
    document.root.get("kind").is_none()
        && matches!(resources, Some(ripstop_yaml::Value::Sequence(nodes)) if nodes.iter().any(typed))
}

/// Reads a text. `kind`: the only one that may be in it; `None`: whatever there is. `None` if there is an error among the
/// problems; warnings alone leave the result.
pub fn load(kind: Option<ResourceType>, source: &Source) -> (Option<DiscoveryFile>, Vec<Problem>) {
    let documents = match parse(source) {
        Ok(documents) => documents,
        Err(problem) => return (None, vec![problem]),
    };
    let problems = Problems::new(source);
    let [document] = documents.as_slice() else {
        problems.error("", None, format!("holds {} documents; a DiscoveryResponse is one", documents.len()));
        return (None, problems.into_vec());
    };
    let place = Place { root: &document.root, problems: &problems };
    let bytes = bind(&document.root, MESSAGE, &problems);
    let file = bytes.and_then(|bytes| match decode(kind, &bytes, &mut |at| tell(&place, at)) {
        Ok(file) => Some(file),
        Err(error) => {
            problems.error("", None, error);
            None
        }
    });
    (file.filter(|_| !problems.has_errors()), problems.into_vec())
}

/// Reads encoded protobuf, which has no lines: the problems name fields alone.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_binary(kind: ResourceType, bytes: &[u8]) -> Result<DiscoveryFile, Vec<String>> {
    let mut errors = Vec::new();
    let mut tell = |found: Found<'_>| match found {
        Found::Error(path, message) => errors.push(format!("{path}: {message}")),
        Found::Warning(path, message) => tracing::warn!("{path}: {message}"),
    };
    match decode(Some(kind), bytes, &mut tell) {
        Ok(file) if errors.is_empty() => Ok(file),
        Ok(_) => Err(errors),
        Err(error) => Err(vec![error]),
    }
}

/// Reads a file as Envoy does, by the end of its name: `.pb` is encoded protobuf, everything else is YAML or JSON.
/// `path` is what it is called in messages. Warnings go to the log.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn read_file(kind: ResourceType, path: &str, bytes: &[u8]) -> Result<DiscoveryFile, Vec<String>> {
    if path.ends_with(".pb") {
        return load_binary(kind, bytes);
    }
    if path.ends_with(".pb_text") {
        return Err(vec![format!("{path}: protobuf as text is not supported; write YAML, JSON or .pb")]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(vec![format!("{path}: is not UTF-8 text")]) };
    let (file, problems) = load(Some(kind), &Source::new(path, text));
    // Files change rarely.
    crate::release_descriptors();
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) =
        problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    file.ok_or_else(|| errors.iter().map(ToString::to_string).collect())
}

/// Something that was found at a path.
enum Found<'a> {
    Error(&'a str, &'a str),
    Warning(&'a str, &'a str),
}

fn tell(place: &Place<'_>, found: Found<'_>) {
    match found {
        Found::Error(path, message) => place.error(path, message.to_owned()),
        Found::Warning(path, message) => place.warn(path, message.to_owned()),
    }
}

fn decode(
    kind: Option<ResourceType>,
    bytes: &[u8],
    tell: &mut dyn FnMut(Found<'_>),
) -> Result<DiscoveryFile, String> {
    let wire =
        pb::DiscoveryResponse::decode(bytes).map_err(|error| format!("not a valid {MESSAGE}: {error}"))?;
    let mut resources = Snapshot::default();
    for (index, any) in wire.resources.iter().enumerate() {
        let path = format!("resources[{index}]");
        let is = ResourceType::from_type_url(&any.type_url);
        let Some(kind) = kind.or(is) else {
            tell(Found::Error(&path, &format!("resources of the type {} are not supported", any.type_url)));
            continue;
        };
        // Whoever reads files has no identity in a mesh.
        match read(kind, WorkloadSecrets::Sent, "", Some(any)) {
            Ok((name, value, warnings)) => {
                for warning in warnings {
                    tell(Found::Warning(&below(&path, &warning.path), &warning.message));
                }
                if put(&mut resources, &name, value) {
                    tell(Found::Error(&path, &format!("there is another resource named '{name}'")));
                }
            }
            Err(rejection) => {
                for problem in rejection.problems {
                    tell(Found::Error(&below(&path, &problem.path), &problem.message));
                }
            }
        }
    }
    Ok(DiscoveryFile { version: wire.version_info, resources })
}

/// Says whether there was one of this name.
fn put(resources: &mut Snapshot, name: &Name, value: Accepted) -> bool {
    let name = name.clone();
    match value {
        Accepted::Cluster(one) => resources.clusters.insert(name, Arc::from(one)).is_some(),
        Accepted::Endpoints(one) => resources.endpoints.insert(name, Arc::from(one)).is_some(),
        Accepted::Listener(one) => resources.listeners.insert(name, Arc::from(one)).is_some(),
        Accepted::Routes(one) => resources.routes.insert(name, Arc::from(one)).is_some(),
        Accepted::Secret(one) => resources.secrets.insert(SecretRef::fixed(name), Arc::from(one)).is_some(),
        Accepted::Runtime(one) => resources.runtime.insert(name, Arc::from(one)).is_some(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = "\
version_info: \"7\"
resources:
- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: a
  type: EDS
  eds_cluster_config: {eds_config: {path_config_source: {path: /etc/eds.yaml}}}
- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: b
  type: STATIC
  load_assignment: {cluster_name: b}
";

    fn problems(text: &str) -> Vec<String> {
        let (file, problems) = load(Some(ResourceType::Cluster), &Source::new("cds.yaml", text));
        assert_eq!(file.is_none(), !problems.is_empty());
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_becomes_resources() {
        let source = Source::new("cds.yaml", FILE);
        assert!(is_discovery_file(&source));
        let (file, problems) = load(None, &source);
        assert!(problems.is_empty(), "{problems:?}");
        let file = file.unwrap();
        assert_eq!(file.version, "7");
        assert_eq!(file.resources.clusters.len(), 2);
        let files: Vec<_> = file.resources.endpoint_files().collect();
        assert_eq!((&**files[0].0, &*files[0].1.path), ("a", "/etc/eds.yaml"));
    }

    #[test]
    fn problems_name_their_place() {
        let twice = FILE.replace("name: b", "name: a");
        assert_eq!(problems(&twice), ["cds.yaml:7:3: resources[1]: there is another resource named 'a'"]);
        let wrong = FILE.replace("type: STATIC", "type: ORIGINAL_DST");
        assert!(problems(&wrong)[0].starts_with("cds.yaml:9:"), "{:?}", problems(&wrong));
        let unknown = FILE.replace("name: b", "nam: b");
        assert!(
            problems(&unknown)[0].starts_with("cds.yaml:8:3: resources[1].nam"),
            "{:?}",
            problems(&unknown)
        );
        let (file, problems) = load(Some(ResourceType::Listener), &Source::new("lds.yaml", FILE));
        assert!(file.is_none() && problems.len() == 2, "{problems:?}");
    }

    #[test]
    fn encoded_files_are_read_too() {
        let documents = parse(&Source::new("cds.yaml", FILE)).unwrap();
        let source = Source::new("cds.yaml", FILE);
        let bytes = bind(&documents[0].root, MESSAGE, &Problems::new(&source)).unwrap();
        assert_eq!(load_binary(ResourceType::Cluster, &bytes).unwrap().resources.clusters.len(), 2);
        assert!(load_binary(ResourceType::Listener, &bytes).is_err());
        assert!(load_binary(ResourceType::Cluster, b"nonsense").is_err());
    }
}
