//! What several answers have in common, under names of their own.

use serde_json::{Value, json};

use super::shape::{action, boolean, integer, list, number, object, one_of, or_null, reference, text, time};

/// Of resources, problems and rollouts.
pub(super) fn common() -> Vec<(&'static str, Value)> {
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

/// Of explanations.
pub(super) fn of_explanations() -> Vec<(&'static str, Value)> {
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

fn workload() -> Value {
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
    ])
}

/// Of what is in force.
pub(super) fn of_documents() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Finding",
            object(&[
                ("code", text("docs/analysis.md explains it")),
                ("severity", one_of(&["error", "warning"])),
                (
                    "object",
                    or_null(object(&[("kind", text("")), ("namespace", text("")), ("name", text(""))])),
                ),
                ("file", text("")),
                ("line", integer("from 1; 0: no certain place")),
                ("column", integer("")),
                ("path", text("of the field")),
                ("message", text("")),
                ("remedy", text("what to do")),
            ]),
        ),
        (
            "EffectiveValue",
            object(&[
                ("field", text("in the words of the documents")),
                ("value", text("as documents write it")),
                ("from", text("who says so")),
                ("file", text("")),
                ("line", integer("0: nowhere")),
            ]),
        ),
    ]
}

/// Of proxies and workloads.
pub(super) fn of_proxies() -> Vec<(&'static str, Value)> {
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
        ("Workload", workload()),
    ]
}
