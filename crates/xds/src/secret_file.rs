//! Files that hold secrets: a `DiscoveryResponse` with them, as SDS has it. Nothing is read from disk here.

use prost::Message as _;
use ripstop_model::Secret;
use ripstop_yaml::{Problems, Severity, Source, parse};

use crate::binder::bind;
use crate::decode::decode_secret;
use crate::{ResourceType, pb};

/// The message that such a file holds.
const MESSAGE: &str = "envoy.service.discovery.v3.DiscoveryResponse";

/// Reads a file's text; `path` is for messages.
///
/// # Errors
/// Every reason why it cannot be taken, in one text. Nothing of a secret is in it.
pub fn secrets(path: &str, text: &str) -> Result<Vec<Secret>, String> {
    let source = Source::new(path, text);
    let documents = parse(&source).map_err(|problem| problem.to_string())?;
    let [document] = documents.as_slice() else {
        return Err(format!("{path}: holds {} documents; a DiscoveryResponse is one", documents.len()));
    };
    let problems = Problems::new(&source);
    let bytes = bind(&document.root, MESSAGE, &problems);
    crate::release_descriptors();
    let errors: Vec<String> = problems
        .into_vec()
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.to_string())
        .collect();
    let Some(bytes) = bytes.filter(|_| errors.is_empty()) else { return Err(errors.join("; ")) };
    let wire = pb::DiscoveryResponse::decode(bytes.as_slice()).map_err(|error| format!("{path}: {error}"))?;
    let mut secrets = Vec::new();
    for (index, any) in wire.resources.iter().enumerate() {
        if any.type_url != ResourceType::Secret.type_url() {
            return Err(format!("{path}: resources[{index}] is a {}, not a secret", any.type_url));
        }
        let decoded =
            decode_secret(&any.value).map_err(|error| format!("{path}: resources[{index}]: {error}"))?;
        for warning in &decoded.warnings {
            tracing::warn!(path, index, "{warning}");
        }
        secrets.push(decoded.value);
    }
    Ok(secrets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::tls::SecretKind;

    #[test]
    fn a_file_holds_secrets() {
        let text = "version_info: '1'\nresources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: server\n  tls_certificate:\n    certificate_chain: { filename: /c.pem }\n    private_key: { inline_string: hidden }\n";
        let read = secrets("sds.yaml", text).unwrap();
        assert_eq!(&*read[0].name, "server");
        assert!(matches!(read[0].kind, SecretKind::Certificate(_)));
        let error = secrets("sds.yaml", &text.replace("tls_certificate:", "tls_cert:")).unwrap_err();
        assert!(error.contains("sds.yaml:5") && !error.contains("hidden"), "{error}");
        assert!(
            secrets(
                "sds.yaml",
                "resources: [ { \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: c } ]"
            )
            .is_err()
        );
    }
}
