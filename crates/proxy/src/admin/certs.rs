//! `/certs`: the certificates and the roots in use, those of files and secrets and that of the workload. Never a key.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use ripstop_identity::context::facts::CertificateDetails;
use ripstop_runtime::admin::{Answer, Query, json};
use serde_json::{Value, json};

use super::{Inspector, Mesh};
use crate::format::civil::write_rfc3339_millis;

/// The page.
pub fn show(inspector: &Inspector, _: &Query) -> Answer {
    let now = SystemTime::now();
    let list = |details: Vec<Value>| Value::Array(details);
    let entry =
        |roots: Vec<Value>, chain: Vec<Value>| json!({ "ca_cert": list(roots), "cert_chain": list(chain) });
    let mut certificates = Vec::new();
    if let Some(mesh) = &inspector.mesh {
        let chain = mesh.identity.svid().map(|svid| svid.chain().to_vec()).unwrap_or_default();
        let shown = |der: &[_]| -> Vec<Value> {
            der.iter()
                .filter_map(|one| CertificateDetails::read(one).ok())
                .map(|one| facts(&one, now))
                .collect()
        };
        certificates.push(entry(shown(mesh.identity.trust_bundle().roots()), shown(&chain)));
    }
    let contexts = inspector.tls.lock();
    let all = |details: &[CertificateDetails]| details.iter().map(|one| facts(one, now)).collect::<Vec<_>>();
    for server in contexts.servers() {
        let chain: Vec<Value> = server.certificates().map(|one| facts(one, now)).collect();
        certificates.push(entry(all(&server.roots()), chain));
    }
    for client in contexts.clients() {
        let chain: Vec<Value> = client.certificate().map(|one| facts(one, now)).into_iter().collect();
        certificates.push(entry(all(&client.roots()), chain));
    }
    certificates.retain(|entry| entry["ca_cert"] != json!([]) || entry["cert_chain"] != json!([]));
    let mut page = json!({ "certificates": certificates });
    if let Some(mesh) = &inspector.mesh {
        page["renewal"] = renewal(mesh);
    }
    json(StatusCode::OK, format!("{page:#}\n"))
}

fn renewal(mesh: &Mesh) -> Value {
    let agent = mesh.agent.borrow().clone();
    json!({
        "issued": agent.issued,
        "failures": agent.failures,
        "last_error": agent.last_error,
        "next_attempt": time(agent.next_attempt),
        "alarm": format!("{:?}", agent.alarm),
    })
}

fn facts(details: &CertificateDetails, now: SystemTime) -> Value {
    let left = details.not_after.duration_since(now).unwrap_or_default();
    let uris = details.uris.iter().map(|uri| json!({ "uri": uri }));
    let names = details.dns_names.iter().map(|name| json!({ "dns": name }));
    let ips = details.ips.iter().map(|ip| json!({ "ip_address": ip.to_string() }));
    let names: Vec<Value> = uris.chain(names).chain(ips).collect();
    json!({
        "serial_number": details.serial,
        "subject": details.subject,
        "subject_alt_names": names,
        "valid_from": time(details.not_before),
        "expiration_time": time(details.not_after),
        "days_until_expiration": (left.as_secs() / 86_400).to_string(),
        "seconds_until_expiration": left.as_secs(),
    })
}

fn time(time: SystemTime) -> String {
    let mut out = Vec::new();
    write_rfc3339_millis(time.max(UNIX_EPOCH), &mut out);
    String::from_utf8(out).unwrap_or_default()
}
