//! What bodies and answers look like, as JSON Schema. Tests hold the answers of a running control plane against these.

mod parts;
mod shape;

use serde_json::{Map, Value, json};

use shape::{boolean, integer, list, number, object, one_of, or_null, reference, role, text, time};

/// Every schema by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (name, schema) in requests()
        .into_iter()
        .chain(answers())
        .chain(parts::common())
        .chain(parts::of_documents())
        .chain(parts::of_proxies())
        .chain(parts::of_explanations())
    {
        all.insert(name.to_owned(), schema);
    }
    Value::Object(all)
}

/// The CA and those who follow it. Who begins to replace something gets the CA alone.
fn certificates() -> Value {
    let root = object(&[
        ("sha256", text("of the certificate")),
        ("subject", text("")),
        ("not_before", time()),
        ("not_after", time()),
        ("signs", boolean("whether the issuer is below it")),
    ]);
    let rotation = object(&[
        ("what", one_of(&["issuer", "root"])),
        ("phase", text("distribute, issue or retire")),
        ("since", time()),
        ("phase_since", time()),
        ("waiting", list(text("what the phase waits for"))),
    ]);
    let proxy = object(&[
        ("instance", text("its node id")),
        ("id", text("its SPIFFE ID")),
        ("address", or_null(text("where it connects from"))),
        ("connected", boolean("")),
        ("serial", or_null(text("of the certificate that it has proved to use"))),
        ("issued_by", or_null(text("key id of the issuer of that"))),
        ("issuer_is_current", boolean("")),
        ("not_after", time()),
        ("trusts", or_null(text("version of the roots that it has proved to use"))),
        ("trust_is_current", boolean("")),
        ("error", or_null(text("why it could not use what it was sent"))),
    ]);
    let control =
        object(&[("id", text("")), ("serial", text("")), ("issued_by", text("")), ("not_after", time())]);
    let issuer = object(&[("key_id", text("")), ("not_before", time()), ("not_after", time())]);
    object(&[
        ("trust_domain", text("")),
        ("ca", one_of(&["own", "files"])),
        ("issuer", issuer),
        ("roots", list(root)),
        ("trust_version", text("of the roots that proxies are to use")),
        ("federated", list(text("trust domain"))),
        ("rotation", or_null(rotation)),
        ("rotated", object(&[("issuer", integer("how often")), ("root", integer("how often"))])),
        ("last_error", or_null(text(""))),
        ("control?", or_null(control)),
        ("proxies?", list(proxy)),
    ])
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
        ("RotateRequest", object(&[("what", one_of(&["issuer", "root"]))])),
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
        ("Certificates", certificates()),
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
        ("Findings", object(&[("revision", integer("")), ("findings", list(reference("Finding")))])),
        (
            "Effective",
            object(&[
                ("revision", integer("")),
                ("namespace", text("")),
                ("service", text("")),
                ("values", list(reference("EffectiveValue"))),
            ]),
        ),
        ("Workloads", object(&[("revision", integer("")), ("workloads", list(reference("Workload")))])),
    ]
}
