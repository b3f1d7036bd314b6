//! `POST /api/v1/tokens`: a join token for one workload, with which its proxy gets its first certificate.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_identity::token::{MAX_TOKEN_LIFETIME, TokenError};
use serde_json::{Value, json};

use super::{Api, reply};
use crate::resource::ObjectKey;
use crate::world::World;

/// Life of a token unless the request names one.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

const HELP: &str = "send {\"namespace\": \"default\", \"workload\": \"NAME\", \"ttl_seconds\": 600}";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    key: ObjectKey,
    lifetime: Duration,
}

pub(super) async fn create(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return reply::error(rejection.status(), &rejection.body_text(), HELP),
    };
    let wish = match Wish::read(&body) {
        Ok(wish) => wish,
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error, HELP),
    };
    let world = Arc::clone(&api.in_force().world);
    let Some(instance) = world.instance(&wish.key) else { return unknown(&world, &wish.key) };
    match api.tokens.issue(instance.identity.clone(), wish.lifetime, api.clock.now()) {
        Ok(token) => {
            tracing::info!(workload = %wish.key, id = %instance.identity, "join token issued");
            let document = json!({
                "token": token.expose(),
                "spiffe_id": instance.identity.as_str(),
                "expires_in_seconds": wish.lifetime.as_secs(),
            });
            reply::document(StatusCode::CREATED, &document)
        }
        Err(error @ TokenError::Lifetime(_)) => {
            let help = format!("`ttl_seconds` can be 1 to {}", MAX_TOKEN_LIFETIME.as_secs());
            reply::error(StatusCode::BAD_REQUEST, &error.to_string(), &help)
        }
        Err(error) => reply::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), "try again later"),
    }
}

fn unknown(world: &World, key: &ObjectKey) -> Response {
    let error = format!("there is no workload `{}` in namespace `{}`", key.name, key.namespace);
    let names = world.instances().filter(|instance| instance.key().namespace == key.namespace);
    let near = ripstop_yaml::nearest(&key.name, names.map(|instance| &*instance.key().name));
    let help = match near {
        Some(near) => format!("did you mean `{near}`? GET /api/v1/workloads lists all workloads"),
        None => "GET /api/v1/workloads lists all workloads".to_owned(),
    };
    reply::error(StatusCode::NOT_FOUND, &error, &help)
}

impl Wish {
    fn read(body: &[u8]) -> Result<Wish, String> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        let Value::Object(fields) = &value else { return Err("the body is not a JSON object".to_owned()) };
        let known = ["namespace", "workload", "ttl_seconds"];
        if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let unknown: String = unknown.chars().take(64).collect();
            return Err(format!("unknown field `{unknown}`"));
        }
        let text = |name: &str| match fields.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() && text.len() <= 253 => Ok(text),
            _ => Err(format!("`{name}` must be a name of 1 to 253 characters")),
        };
        let lifetime = match fields.get("ttl_seconds") {
            None | Some(Value::Null) => DEFAULT_LIFETIME,
            Some(seconds) => Duration::from_secs(
                seconds.as_u64().ok_or("`ttl_seconds` must be a whole number of seconds, 1 or more")?,
            ),
        };
        Ok(Wish { key: ObjectKey::new(text("namespace")?, text("workload")?), lifetime })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_strictly() {
        let check = |body: &str, expected: Result<u64, &str>| {
            let read = Wish::read(body.as_bytes()).map(|wish| wish.lifetime.as_secs());
            assert_eq!(read.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e), "{body}");
        };
        check(r#"{"namespace": "shop", "workload": "cart-1"}"#, Ok(600));
        check(r#"{"namespace": "shop", "workload": "cart-1", "ttl_seconds": 60}"#, Ok(60));
        check(r#"["shop"]"#, Err("the body is not a JSON object"));
        check(r#"{"namespace": "shop"}"#, Err("`workload` must be a name of 1 to 253 characters"));
        check(r#"{"namespace": "shop", "workload": "x", "ttl": 1}"#, Err("unknown field `ttl`"));
        check(
            r#"{"namespace": "shop", "workload": "x", "ttl_seconds": -1}"#,
            Err("`ttl_seconds` must be a whole number of seconds, 1 or more"),
        );
    }
}
