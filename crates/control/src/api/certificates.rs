//! `/api/v1/certificates`: the CA, what of it is being replaced, and what each proxy has proved. `POST …/rotate` begins to
//! replace the issuer or the root.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_identity::authority::{AuthorityError, AuthorityStatus};
use ripstop_identity::followers::FollowerReport;
use ripstop_identity::succession::Successor;
use serde_json::{Value, json};

use super::body::{Fields, Refused};
use super::time::rfc3339;
use super::{Api, reply};

const HELP: &str = "send {\"what\": \"issuer\"} or {\"what\": \"root\"}";

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let status = api.authority.status();
    let proxies = api.followers.report(api.clock.now());
    let mut document = authority(&status, api.authority.trust_domain().as_str());
    document["control"] = match api.identity.svid() {
        Some(svid) => json!({
            "id": svid.id().as_str(),
            "serial": svid.serial(),
            "issued_by": svid.issued_by(),
            "not_after": rfc3339(svid.not_after()),
        }),
        None => Value::Null,
    };
    document["proxies"] = proxies.iter().map(|proxy| follower(proxy, &status)).collect();
    reply::document(StatusCode::OK, &document)
}

fn authority(status: &AuthorityStatus, trust_domain: &str) -> Value {
    let roots: Vec<Value> = status
        .roots
        .iter()
        .map(|root| {
            json!({
                "sha256": root.sha256,
                "subject": root.subject,
                "not_before": rfc3339(root.not_before),
                "not_after": rfc3339(root.not_after),
                "signs": root.signs,
            })
        })
        .collect();
    let rotation = status.succession.map_or(Value::Null, |(what, phase, begun, phase_begun)| {
        json!({
            "what": what.as_str(),
            "phase": phase.as_str(),
            "since": rfc3339(begun),
            "phase_since": rfc3339(phase_begun),
            "waiting": status.waiting,
        })
    });
    json!({
        "trust_domain": trust_domain,
        "ca": if status.own { "own" } else { "files" },
        "issuer": {
            "key_id": status.issuer,
            "not_before": rfc3339(status.issuer_not_before),
            "not_after": rfc3339(status.issuer_not_after),
        },
        "roots": roots,
        "trust_version": status.trust_version,
        "federated": status.federated,
        "rotation": rotation,
        "rotated": {"issuer": status.issuers_replaced, "root": status.roots_replaced},
        "last_error": status.last_error,
    })
}

fn follower(proxy: &FollowerReport, status: &AuthorityStatus) -> Value {
    json!({
        "instance": proxy.instance,
        "id": proxy.id.as_str(),
        "address": proxy.address,
        "connected": proxy.connected,
        "serial": proxy.serial,
        "issued_by": proxy.issued_by,
        "issuer_is_current": proxy.issued_by.as_deref() == Some(status.issuer.as_str()),
        "not_after": rfc3339(proxy.not_after),
        "trusts": proxy.trusts,
        "trust_is_current": proxy.trusts.as_deref() == Some(status.trust_version.as_str()),
        "error": proxy.error,
    })
}

pub(super) async fn rotate(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    let what = match successor(body) {
        Ok(what) => what,
        Err(refused) => return *refused,
    };
    match api.authority.begin(what, api.clock.now()) {
        Ok(()) => {
            let document = authority(&api.authority.status(), api.authority.trust_domain().as_str());
            reply::document(StatusCode::ACCEPTED, &document)
        }
        Err(error @ (AuthorityError::UnderWay { .. } | AuthorityError::NotOurs(_))) => reply::error(
            StatusCode::CONFLICT,
            &error.to_string(),
            "GET /api/v1/certificates tells how far it is",
        ),
        Err(error) => {
            tracing::error!(%error, %what, "cannot be replaced");
            let help = "see the log of the control plane";
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("the {what} cannot be replaced"), help)
        }
    }
}

fn successor(body: Result<Bytes, BytesRejection>) -> Result<Successor, Refused> {
    let fields = Fields::read(body, &["what"], HELP)?;
    match fields.required_text("what")? {
        "issuer" => Ok(Successor::Issuer),
        "root" => Ok(Successor::Root),
        _ => Err(fields.bad("`what` must be \"issuer\" or \"root\"")),
    }
}
