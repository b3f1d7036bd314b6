//! Which resource is meant: kinds in the words that people use for them.

use serde_json::Value;

use super::{Client, encoded};
use crate::failure::Failure;
use crate::output::{cell, items};

/// Short words, as Istio's users know them.
const ALIASES: [(&str, &str); 14] = [
    ("vs", "VirtualService"),
    ("dr", "DestinationRule"),
    ("gw", "Gateway"),
    ("se", "ServiceEntry"),
    ("we", "WorkloadEntry"),
    ("wg", "WorkloadGroup"),
    ("pa", "PeerAuthentication"),
    ("ra", "RequestAuthentication"),
    ("ap", "AuthorizationPolicy"),
    ("svc", "Service"),
    ("wl", "Workload"),
    ("policies", "AuthorizationPolicy"),
    ("telemetries", "Telemetry"),
    ("meshes", "Mesh"),
];

/// The kind that a word means; whether there is such a kind is for the control plane to say.
pub fn kind(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    if let Some((_, kind)) = ALIASES.iter().find(|(alias, _)| *alias == lower) {
        return (*kind).to_owned();
    }
    match lower.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => lower.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(&lower).to_owned(),
    }
}

/// `KIND/NAME`, or kind and name as two words.
pub fn split(words: &[String]) -> (Option<String>, Option<String>) {
    match words {
        [] => (None, None),
        [one] => match one.split_once('/') {
            Some((word, name)) => (Some(kind(word)), Some(name.to_owned())),
            None => (Some(kind(one)), None),
        },
        [word, name, ..] => (Some(kind(word)), Some(name.clone())),
    }
}

/// The path of the page of one resource. Without a namespace it is the one in which there is such a resource.
///
/// # Errors
/// There is none, or there are several.
pub async fn path(
    client: &Client,
    kind: &str,
    name: &str,
    namespace: Option<&str>,
) -> Result<String, Failure> {
    let namespace = match namespace {
        Some(namespace) => namespace.to_owned(),
        None => {
            let query = format!("/api/v1/resources?kind={}&name={}", encoded(kind), encoded(name));
            let found = client.get(&query).await?;
            let found: Vec<String> =
                items(&found["resources"]).iter().map(|one| cell(&one["namespace"])).collect();
            match found.as_slice() {
                [only] => only.clone(),
                // The page of it says what there is instead.
                [] => "default".to_owned(),
                several => {
                    return Err(Failure::new(format_args!("there is a {kind} {name} in several namespaces"))
                        .with_help(format_args!("name one with -n: {}", several.join(", "))));
                }
            }
        }
    };
    Ok(format!("/api/v1/resources/{}/{}/{}", encoded(kind), encoded(&namespace), encoded(name)))
}

/// `VirtualService default/shop`.
pub fn title(resource: &Value) -> String {
    format!("{} {}/{}", cell(&resource["kind"]), cell(&resource["namespace"]), cell(&resource["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_many_words() {
        for (word, expected) in [
            ("vs", "VirtualService"),
            ("virtualservices", "virtualservice"),
            ("Gateway", "gateway"),
            ("serviceentries", "serviceentry"),
            ("authorizationpolicies", "authorizationpolicy"),
            ("mesh", "mesh"),
        ] {
            assert_eq!(kind(word), expected, "{word}");
        }
        let words = |text: &str| split(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(words("vs/shop"), (Some("VirtualService".to_owned()), Some("shop".to_owned())));
        assert_eq!(words("vs shop"), words("vs/shop"));
        assert_eq!(words("services"), (Some("service".to_owned()), None));
    }
}
