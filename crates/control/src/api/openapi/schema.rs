//! What bodies and answers look like, as JSON Schema. Tests hold the answers of a running control plane against these.

use serde_json::{Map, Value, json};

/// Every schema by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (name, schema) in requests()
        .into_iter()
        .chain(answers())
        .chain(parts())
        .chain(parts_about_proxies())
        .chain(parts_of_explanations())
    {
        all.insert(name.to_owned(), schema);
    }
    Value::Object(all)
}

fn requests() -> Vec<(&'static str, Value)> {
    vec![
        (
            "ApplyRequest",
            object(&[
                (
                    "documents",
                    list(object(&[
                        ("name", text("of the file, for messages")),
                        ("text", text("YAML or JSON, any number of documents")),
                    ])),
                ),
                ("message?", text("why")),
                ("author?", text("who does it, where no token says so")),
                ("dry_run?", boolean("only say what would happen")),
            ]),
        ),
        (
            "RollbackRequest",
            object(&[
                ("revision", integer("what to go back to")),
                ("message?", text("why")),
                ("author?", text("who does it, where no token says so")),
                ("dry_run?", boolean("only say what would happen")),
            ]),
        ),
        (
            "ExplainRequest",
            object(&[
                ("url", text("as http://host/path?query")),
                ("from?", text("workload or workload.namespace; the only gateway by default")),
                ("method?", text("GET by default")),
                ("headers?", list(object(&[("name", text("")), ("value", text(""))]))),
                ("listener_port?", integer("of the proxy that the request comes to")),
            ]),
        ),
        (
            "JoinTokenRequest",
            object(&[
                ("namespace", text("of the workload")),
                ("workload", text("its name")),
                ("ttl_seconds?", integer("life, 600 by default, at most 604800")),
            ]),
        ),
        (
            "ApiTokenRequest",
            object(&[
                ("name", text("whose it is; author of what is done with it")),
                ("role", role()),
                ("ttl_seconds?", integer("life; without it, until it is deleted")),
            ]),
        ),
    ]
}

fn answers() -> Vec<(&'static str, Value)> {
    let mut all = answers_about_changes();
    all.extend(answers_about_the_mesh());
    all.extend([
        (
            "Pages",
            object(&[(
                "pages",
                list(object(&[
                    ("path", text("")),
                    ("method", text("")),
                    ("role", or_null(role())),
                    ("purpose", text("")),
                ])),
            )]),
        ),
        ("Ready", object(&[("ready", boolean("proxies are served"))])),
        ("OpenApi", json!({"type": "object", "description": "this document"})),
        (
            "JoinToken",
            object(&[
                ("token", text("a secret; works once")),
                ("spiffe_id", text("")),
                ("expires_in_seconds", integer("")),
            ]),
        ),
        (
            "ApiTokens",
            object(&[(
                "tokens",
                list(object(&[
                    ("name", text("")),
                    ("role", role()),
                    ("created", time()),
                    ("expires", or_null(time())),
                    ("expired", boolean("")),
                ])),
            )]),
        ),
        (
            "ApiToken",
            object(&[
                ("token", text("the secret, shown this once")),
                ("name", text("")),
                ("role", role()),
                ("expires", or_null(time())),
            ]),
        ),
        ("ApiTokenDeleted", object(&[("name", text("")), ("deleted", boolean(""))])),
        (
            "Error",
            object(&[
                ("error", text("what is wrong")),
                ("help", text("what can be done")),
                ("problems?", list(reference("Problem"))),
            ]),
        ),
    ]);
    all
}

fn answers_about_changes() -> Vec<(&'static str, Value)> {
    let head = [
        ("revision", integer("from 1, one more with each accepted change")),
        ("at", time()),
        ("author", text("`files`, name of a token, or who said so on the administrator's socket")),
        ("message", text("why; may be empty")),
    ];
    let with = |changes: Value| {
        let mut fields = head.to_vec();
        fields.push(("changes", list(changes)));
        object(&fields)
    };
    vec![
        (
            "Change",
            object(&[
                (
                    "revision",
                    integer(
                        "the one that was made; the one that would be made if this was only tried; the newest one if nothing is different",
                    ),
                ),
                ("dry_run", boolean("")),
                ("changed", boolean("something is different")),
                ("objects", list(reference("ObjectChange"))),
                ("warnings", list(reference("Problem"))),
            ]),
        ),
        ("History", object(&[("revisions", list(with(reference("ObjectAction"))))])),
        ("Revision", with(reference("ObjectChange"))),
        (
            "Rollout",
            object(&[
                ("revision", integer("that was pushed; a later one if both went together")),
                ("concerned", integer("proxies whose configuration it changed")),
                ("accepted", integer("those of them that have accepted all of it")),
                ("complete", boolean("all of them have")),
                ("slowest_ms", or_null(number("from the request to the last answer, in milliseconds"))),
                ("proxies", list(reference("ProxyRollout"))),
            ]),
        ),
    ]
}

fn answers_about_the_mesh() -> Vec<(&'static str, Value)> {
    let config = object(&[
        ("revision", integer("")),
        ("since", time()),
        ("refused", boolean("the files as they are now are not in force")),
    ]);
    vec![
        ("Resources", object(&[("revision", integer("")), ("resources", list(reference("Resource")))])),
        (
            "Status",
            object(&[
                ("started", time()),
                ("trust_domain", text("")),
                ("identity", or_null(text("SPIFFE ID of the control plane"))),
                ("certificate_not_after", or_null(time())),
                ("issuer_not_after", time()),
                ("root_not_after", time()),
                ("config", config),
                ("proxies", list(reference("ProxyStatus"))),
            ]),
        ),
        (
            "Problems",
            object(&[
                ("revision", integer("")),
                ("refused", list(reference("Problem"))),
                ("warnings", list(reference("Problem"))),
            ]),
        ),
        ("ConfigDump", json!({"type": "object", "description": "envoy.admin.v3.ConfigDump"})),
        (
            "Explanation",
            object(&[
                ("revision", integer("")),
                ("proxy", text("that decides first, as workload.namespace")),
                ("identity", text("SPIFFE ID")),
                ("listener", text("")),
                ("listener_place", or_null(reference("Place"))),
                ("routing", or_null(reference("Routing"))),
                ("decision", reference("Decision")),
            ]),
        ),
        ("Workloads", object(&[("revision", integer("")), ("workloads", list(reference("Workload")))])),
    ]
}

fn parts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Resource",
            object(&[
                ("kind", text("")),
                ("namespace", text("")),
                ("name", text("")),
                ("owner", one_of(&["files", "api"])),
                ("file", text("as its author named it")),
                ("line", integer("that the document begins on")),
                ("created_in", integer("revision")),
                ("changed_in", integer("revision")),
                ("text?", text("the document as it was written")),
            ]),
        ),
        (
            "ObjectAction",
            object(&[("kind", text("")), ("namespace", text("")), ("name", text("")), ("action", action())]),
        ),
        (
            "ObjectChange",
            object(&[
                ("kind", text("")),
                ("namespace", text("")),
                ("name", text("")),
                ("action", action()),
                ("diff?", text("as `diff -u` shows it")),
                ("owner?", one_of(&["files", "api"])),
                ("file?", text("")),
                ("line?", integer("")),
            ]),
        ),
        (
            "Problem",
            object(&[
                ("severity", one_of(&["error", "warning"])),
                ("file", text("")),
                ("line", integer("from 1; 0: no certain place")),
                ("column", integer("")),
                ("path", text("of the field")),
                ("message", text("")),
                ("help", or_null(text(""))),
                ("code", or_null(text(""))),
                ("text", text("all of it in one line")),
            ]),
        ),
    ]
}

fn parts_of_explanations() -> Vec<(&'static str, Value)> {
    let answer = object(&[
        ("status", integer("0: none")),
        ("why", text("")),
        ("location", or_null(text("where the client is sent"))),
    ]);
    vec![
        (
            "Routing",
            object(&[
                ("configuration", text("")),
                ("path", text("as routes see it")),
                ("virtual_host", or_null(object(&[("name", text("")), ("domains", list(text("")))]))),
                (
                    "routes",
                    list(object(&[
                        ("name", text("")),
                        ("taken", boolean("")),
                        ("why_not", or_null(text(""))),
                        ("place", or_null(reference("Place"))),
                    ])),
                ),
            ]),
        ),
        ("Decision", object(&[("answer?", answer), ("forward?", reference("Forwarding"))])),
        (
            "Forwarding",
            object(&[
                ("path", or_null(text("that is sent"))),
                ("host", or_null(text("that is sent, where it is rewritten"))),
                ("timeout_ms", or_null(integer("null: none"))),
                ("retries", or_null(reference("Retries"))),
                ("targets", list(reference("Target"))),
                ("mirrors", list(text("cluster that gets a copy"))),
            ]),
        ),
        (
            "Retries",
            object(&[
                ("attempts", integer("after the first try")),
                ("on", list(text(""))),
                ("per_try_timeout_ms", or_null(integer(""))),
                ("repeats_processed", boolean("also what may have been processed is sent again")),
            ]),
        ),
        (
            "Target",
            object(&[
                ("cluster", text("")),
                ("percent", number("of the requests")),
                ("places", list(reference("Place"))),
                ("balancer", text("")),
                ("mtls", boolean("")),
                ("ejection", or_null(text(""))),
                ("candidates", list(reference("Candidate"))),
            ]),
        ),
        (
            "Candidate",
            object(&[
                ("address", text("")),
                ("workload", or_null(text("workload.namespace"))),
                ("health", text("as the control plane knows it")),
                ("priority", integer("0 is the highest")),
                ("weight", integer("")),
                ("inbound", or_null(reference("Inbound"))),
            ]),
        ),
        (
            "Inbound",
            object(&[
                ("proxy", text("that decides second")),
                ("listener", text("")),
                ("listener_place", or_null(reference("Place"))),
                ("mtls", one_of(&["STRICT", "PERMISSIVE", "DISABLE"])),
                ("mtls_place", or_null(reference("Place"))),
                ("refused", or_null(text("why the connection is not taken"))),
                ("application", or_null(text("address"))),
            ]),
        ),
    ]
}

fn parts_about_proxies() -> Vec<(&'static str, Value)> {
    vec![
        (
            "ProxyRollout",
            object(&[
                ("namespace", text("")),
                ("workload", text("")),
                ("state", one_of(&["accepted", "pending", "disconnected", "refused"])),
                ("after_ms", or_null(number("from the request to its answer, in milliseconds"))),
                ("refusals", list(reference("Refusal"))),
            ]),
        ),
        (
            "Place",
            object(&[
                ("kind", text("")),
                ("namespace", text("")),
                ("name", text("")),
                ("path", text("of the field; may be empty")),
                ("file", text("")),
                ("line", integer("")),
            ]),
        ),
        (
            "Refusal",
            object(&[
                ("places", list(reference("Place"))),
                ("type", text("CDS, EDS, LDS or RDS")),
                ("message", text("what the proxy says")),
            ]),
        ),
        (
            "ProxyStatus",
            object(&[
                ("state", one_of(&["accepted", "pending", "disconnected", "refused"])),
                ("refusals", list(reference("Refusal"))),
                ("waiting_ms", or_null(number("since what it has not accepted was pushed"))),
                ("namespace", text("")),
                ("workload", text("")),
                ("identity", or_null(text("SPIFFE ID; null: a gRPC library that was taken at its word"))),
                ("revision", integer("that its configuration is made of")),
                ("changed_in", integer("revision that changed its configuration last")),
                ("synced", boolean("it has accepted all of it")),
                ("streams", list(reference("Stream"))),
            ]),
        ),
        (
            "Stream",
            object(&[
                ("node", text("")),
                ("user_agent", text("")),
                ("connected", boolean("")),
                ("connected_since", or_null(time())),
                ("protocol", one_of(&["delta", "state-of-the-world"])),
                (
                    "types",
                    json!({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/TypeStatus"}}),
                ),
            ]),
        ),
        (
            "TypeStatus",
            object(&[
                ("sent", or_null(text("version"))),
                ("acked", or_null(text("version"))),
                ("synced", boolean("")),
                ("responses", integer("")),
                ("nacks", integer("")),
                (
                    "last_nack",
                    or_null(object(&[("message", text("")), ("version", text("")), ("at", time())])),
                ),
            ]),
        ),
        (
            "Workload",
            object(&[
                ("namespace", text("")),
                ("name", text("")),
                ("service", or_null(text(""))),
                ("identity", text("SPIFFE ID")),
                ("address", text("")),
                ("ports", json!({"type": "object"})),
                ("labels", json!({"type": "object"})),
                ("proxy", or_null(one_of(&["sidecar", "gateway"]))),
                ("admin_port", or_null(integer(""))),
                ("connected", boolean("")),
            ]),
        ),
    ]
}

/// Fields, each of which must be there unless its name ends in `?`.
fn object(fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields {
        match name.strip_suffix('?') {
            Some(name) => drop(properties.insert(name.to_owned(), schema.clone())),
            None => {
                required.push(*name);
                properties.insert((*name).to_owned(), schema.clone());
            }
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn role() -> Value {
    one_of(&["read", "write", "admin"])
}

fn action() -> Value {
    one_of(&["created", "updated", "deleted", "moved", "unchanged"])
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn text(meaning: &str) -> Value {
    described("string", meaning)
}

fn integer(meaning: &str) -> Value {
    described("integer", meaning)
}

fn number(meaning: &str) -> Value {
    described("number", meaning)
}

fn boolean(meaning: &str) -> Value {
    described("boolean", meaning)
}

fn described(kind: &str, meaning: &str) -> Value {
    match meaning {
        "" => json!({"type": kind}),
        meaning => json!({"type": kind, "description": meaning}),
    }
}
