//! `/certs`: the certificate and the roots in use. Never a key.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use ripstop_identity::certificate::CertificateFacts;
use ripstop_runtime::admin::{Answer, Query, json};
use serde_json::{Value, json};

use super::Inspector;
use crate::access_log::civil::write_rfc3339_millis;

/// The page.
pub fn show(inspector: &Inspector, _: &Query) -> Answer {
    let Some(mesh) = &inspector.mesh else {
        return json(StatusCode::OK, format!("{:#}\n", json!({ "certificates": [] })));
    };
    let agent = mesh.agent.borrow().clone();
    let chain: Vec<Value> = mesh
        .identity
        .svid()
        .map(|svid| {
            svid.chain().iter().filter_map(|c| CertificateFacts::read(c).ok()).map(|f| facts(&f)).collect()
        })
        .unwrap_or_default();
    let bundle = mesh.identity.trust_bundle();
    let roots: Vec<Value> =
        bundle.roots().iter().filter_map(|c| CertificateFacts::read(c).ok()).map(|f| facts(&f)).collect();
    let page = json!({
        "certificates": [{ "ca_cert": roots, "cert_chain": chain }],
        "renewal": {
            "issued": agent.issued,
            "failures": agent.failures,
            "last_error": agent.last_error,
            "next_attempt": time(agent.next_attempt),
            "alarm": format!("{:?}", agent.alarm),
        },
    });
    json(StatusCode::OK, format!("{page:#}\n"))
}

fn facts(facts: &CertificateFacts) -> Value {
    let left = facts.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    let names: Vec<Value> = facts.uri_names.iter().map(|uri| json!({ "uri": uri })).collect();
    json!({
        "serial_number": facts.serial,
        "subject": facts.subject,
        "subject_alt_names": names,
        "valid_from": time(facts.not_before),
        "expiration_time": time(facts.not_after),
        "days_until_expiration": left.as_secs() / 86_400,
        "seconds_until_expiration": left.as_secs(),
    })
}

fn time(time: SystemTime) -> String {
    let mut out = Vec::new();
    write_rfc3339_millis(time.max(UNIX_EPOCH), &mut out);
    String::from_utf8(out).unwrap_or_default()
}
