//! `/config_dump`: the configuration in force in Envoy's form. Keys are left out of it, wherever they are held.

use http::StatusCode;
use regex::Regex;
use ripstop_runtime::admin::{Answer, Query, json, text};
use ripstop_xds::dump;
use serde_json::{Map, Value, json};

use super::Inspector;

/// The section that is told only to those who ask for it.
const ENDPOINTS: &str = "EndpointsConfigDump";

/// The page.
pub fn show(inspector: &Inspector, query: &Query) -> Answer {
    let applied = inspector.applied.borrow().clone();
    let versions = inspector.client().versions;
    let whole = dump::config_dump(&applied.generation.snapshot, &versions);
    let wanted = match Wanted::read(query) {
        Ok(wanted) => wanted,
        Err(error) => return text(StatusCode::BAD_REQUEST, error),
    };
    let Ok(mut dump) = serde_json::from_str::<Value>(&whole) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the configuration cannot be shown\n");
    };
    redact(&mut dump, false);
    let configs = dump.get_mut("configs").and_then(Value::as_array_mut).map(std::mem::take);
    match wanted.choose(configs.unwrap_or_default()) {
        Ok(configs) => json(StatusCode::OK, format!("{:#}\n", json!({ "configs": configs }))),
        Err(error) => text(StatusCode::NOT_FOUND, error),
    }
}

/// Fields that hold secrets, at whatever depth: those that Envoy's API marks as sensitive.
const SECRETS: [&str; 4] = ["private_key", "password", "session_ticket_keys", "generic_secret"];

/// Leaves out what is held in place of a secret; `within`: everything is one.
fn redact(value: &mut Value, within: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, within)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    // The same in base64.
                    "inline_bytes" if within => *value = "W3JlZGFjdGVkXQ==".into(),
                    "inline_string" if within => *value = "[redacted]".into(),
                    name => redact(value, within || SECRETS.contains(&name)),
                }
            }
        }
        _ => {}
    }
}

/// What a query asks for.
struct Wanted {
    resource: Option<String>,
    /// Paths of fields.
    mask: Vec<Vec<String>>,
    name: Option<Regex>,
    with_endpoints: bool,
}

impl Wanted {
    fn read(query: &Query) -> Result<Wanted, String> {
        let given = |name: &str| query.get(name).filter(|text| !text.is_empty());
        let name = given("name_regex").map(Regex::new).transpose();
        let path = |path: &str| path.split('.').map(str::to_owned).collect();
        Ok(Wanted {
            resource: given("resource").map(str::to_owned),
            mask: given("mask").map(|mask| mask.split(',').map(path).collect()).unwrap_or_default(),
            name: name.map_err(|error| format!("Invalid re2 regex: {error}"))?,
            with_endpoints: query.has("include_eds"),
        })
    }

    fn choose(&self, configs: Vec<Value>) -> Result<Vec<Value>, String> {
        let is_shown = |config: &Value| {
            let kind = config.get("@type").and_then(Value::as_str).unwrap_or_default();
            self.with_endpoints || !kind.ends_with(ENDPOINTS)
        };
        let mut configs: Vec<Value> = configs.into_iter().filter(is_shown).collect();
        for list in configs.iter_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
            if let (Value::Array(items), Some(wanted)) = (list, &self.name) {
                items.retain(|item| name_of(item).is_some_and(|name| wanted.is_match(name)));
            }
        }
        let Some(resource) = &self.resource else {
            return Ok(configs.into_iter().map(|config| self.masked(config)).collect());
        };
        let list = configs.into_iter().find_map(|mut config| config.get_mut(resource).map(Value::take));
        match list {
            Some(Value::Array(items)) => Ok(items.into_iter().map(|item| self.masked(item)).collect()),
            _ => Err(format!("{resource} not found in config dump")),
        }
    }

    /// With the fields of the mask alone; all of them without one.
    fn masked(&self, value: Value) -> Value {
        if self.mask.is_empty() {
            return value;
        }
        let mut out = json!({});
        if let Some(kind) = value.get("@type") {
            out["@type"] = kind.clone();
        }
        for path in &self.mask {
            copy(&value, &mut out, path);
        }
        out
    }
}

fn copy(from: &Value, to: &mut Value, path: &[String]) {
    let [first, rest @ ..] = path else { return };
    let Some(value) = from.get(first) else { return };
    if rest.is_empty() || !value.is_object() {
        to[first] = value.clone();
        return;
    }
    if !to.get(first).is_some_and(Value::is_object) {
        to[first] = json!({});
    }
    copy(value, &mut to[first], rest);
}

/// The name of an item: its own, or that of what it holds.
fn name_of(item: &Value) -> Option<&str> {
    let direct = item.get("name").and_then(Value::as_str);
    let inner = || {
        item.as_object()?
            .values()
            .find_map(|value| value.get("name").or_else(|| value.get("cluster_name")).and_then(Value::as_str))
    };
    direct.or_else(inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chosen(query: &str) -> Result<Value, String> {
        let cluster = |name: &str| json!({ "version_info": "1", "cluster": { "name": name, "type": "EDS" } });
        let configs = vec![
            json!({ "@type": "x/ClustersConfigDump", "dynamic_active_clusters": [cluster("a"), cluster("b")] }),
            json!({ "@type": "x/EndpointsConfigDump", "dynamic_endpoint_configs": [] }),
        ];
        Wanted::read(&Query::parse(query)).unwrap().choose(configs).map(Value::from)
    }

    #[test]
    fn keys_are_left_out_wherever_they_are() {
        let mut dump = json!({ "tls_certificates": [{
            "certificate_chain": { "inline_string": "chain" },
            "private_key": { "inline_bytes": "a2V5", "filename": "/k.pem" },
            "password": { "inline_string": "pass" },
        }]});
        redact(&mut dump, false);
        assert_eq!(
            dump,
            json!({ "tls_certificates": [{
                "certificate_chain": { "inline_string": "chain" },
                "private_key": { "inline_bytes": "W3JlZGFjdGVkXQ==", "filename": "/k.pem" },
                "password": { "inline_string": "[redacted]" },
            }]})
        );
    }

    #[test]
    fn parts_can_be_chosen() {
        assert_eq!(chosen("").unwrap().as_array().unwrap().len(), 1);
        assert_eq!(chosen("include_eds").unwrap().as_array().unwrap().len(), 2);
        let only = chosen("resource=dynamic_active_clusters&name_regex=^b$&mask=cluster.name").unwrap();
        assert_eq!(only, json!([{ "cluster": { "name": "b" } }]));
        assert_eq!(chosen("resource=nothing"), Err("nothing not found in config dump".to_owned()));
        assert!(Wanted::read(&Query::parse("name_regex=[")).is_err());
    }
}
