//! A finding as JSON: the same in the API and on the command line.

use ripstop_yaml::Severity;
use serde_json::{Value, json};

use super::Finding;

impl Finding {
    /// With the keys of the schema `Finding` of the API.
    pub fn to_json(&self) -> Value {
        let object = self.object.as_ref().map(
            |(kind, key)| json!({"kind": kind.as_str(), "namespace": &*key.namespace, "name": &*key.name}),
        );
        json!({
            "code": self.code,
            "severity": if self.severity == Severity::Error { "error" } else { "warning" },
            "object": object,
            "file": &*self.file,
            "line": self.line,
            "column": self.column,
            "path": &*self.path,
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}
