//! Which page is where, who may ask for it, and the pages that are about the control plane itself. The table here is the only
//! list of pages: the router, the list at `/` and the OpenAPI document are made of it.

use std::future::Ready;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Router};
use serde_json::{Value, json};

use super::auth::Caller;
use super::body::MAX_DOCUMENTS_BYTES;
use super::{
    Api, analyze, api_tokens, apply, certificates, config, door, effective, explain, history, metrics,
    openapi, problems, reply, resources, rollout, status, tokens, workloads,
};
use crate::role::Role;

/// Largest body of a request that holds no documents.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// One page.
pub(super) struct Page {
    /// With `{…}` for what varies.
    pub(super) path: &'static str,
    /// `GET`, `POST` or `DELETE`.
    pub(super) method: &'static str,
    /// Who may ask; `None`: everybody.
    pub(super) role: Option<Role>,
    /// One sentence.
    pub(super) purpose: &'static str,
    /// Names and meanings of what can stand behind the `?`.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Name of the body's schema.
    pub(super) body: Option<&'static str>,
    /// Name of the answer's schema; `None`: not JSON.
    pub(super) answer: Option<&'static str>,
    max_body_bytes: usize,
    route: fn() -> MethodRouter<Arc<Api>>,
}

const READ: Option<Role> = Some(Role::Read);
const WRITE: Option<Role> = Some(Role::Write);
const ADMIN: Option<Role> = Some(Role::Admin);

const FILTER: [(&str, &str); 3] = [
    ("kind", "only resources of this kind"),
    ("namespace", "only resources of this namespace"),
    ("name", "only resources of this name"),
];

const fn page(
    method: &'static str,
    path: &'static str,
    role: Option<Role>,
    answer: &'static str,
    purpose: &'static str,
    route: fn() -> MethodRouter<Arc<Api>>,
) -> Page {
    let answer = Some(answer);
    Page {
        path,
        method,
        role,
        purpose,
        query: &[],
        body: None,
        answer,
        max_body_bytes: MAX_BODY_BYTES,
        route,
    }
}

/// Every page, in the order in which they are listed.
pub(super) const PAGES: &[Page] = &[
    page("GET", "/", None, "Pages", "this list", || get(list)),
    page("GET", "/ready", None, "Ready", "200 if proxies are served, 503 with the reason if not", || {
        get(ready)
    }),
    page("GET", "/api/v1/openapi.json", None, "OpenApi", "this API as an OpenAPI 3.1 document", || {
        get(openapi::page)
    }),
    Page {
        query: &[FILTER[0], FILTER[1], FILTER[2], ("text", "`true`: with the text of each")],
        ..page(
            "GET",
            "/api/v1/resources",
            READ,
            "Resources",
            "the resources in force, where each is written, and whether it belongs to files or to the API",
            || get(resources::page),
        )
    },
    page(
        "GET",
        "/api/v1/resources/{kind}/{namespace}/{name}",
        READ,
        "Resource",
        "one resource with its text",
        || get(resources::one),
    ),
    Page {
        query: &[
            ("dry_run", "`true`: only say what would happen"),
            ("author", "who does it, where no token says so"),
            ("message", "why"),
        ],
        ..page(
            "DELETE",
            "/api/v1/resources/{kind}/{namespace}/{name}",
            WRITE,
            "Change",
            "take a resource away that was applied over the API",
            || delete(apply::delete),
        )
    },
    Page {
        body: Some("ApplyRequest"),
        max_body_bytes: MAX_DOCUMENTS_BYTES,
        ..page(
            "POST",
            "/api/v1/apply",
            WRITE,
            "Change",
            "put documents in force, all of them or none; with `dry_run` only check them and show what would change",
            || post(apply::apply),
        )
    },
    Page {
        body: Some("RollbackRequest"),
        ..page(
            "POST",
            "/api/v1/rollback",
            WRITE,
            "Change",
            "make what was applied over the API what it was at a revision, as a new revision",
            || post(apply::rollback),
        )
    },
    Page {
        query: &[
            ("limit", "at most so many, 100 by default"),
            ("before", "only those older than this revision"),
            FILTER[0],
            FILTER[1],
            FILTER[2],
        ],
        ..page(
            "GET",
            "/api/v1/history",
            READ,
            "History",
            "accepted changes, the newest first: when, who, why, which resources",
            || get(history::list),
        )
    },
    page(
        "GET",
        "/api/v1/history/{revision}",
        READ,
        "Revision",
        "one accepted change with its differences",
        || get(history::one),
    ),
    Page {
        query: &[("wait_seconds", "wait until every proxy has accepted or one has refused, at most 300")],
        ..page(
            "GET",
            "/api/v1/rollout/{revision}",
            READ,
            "Rollout",
            "how far a change has come: which proxies it concerned, and what each has answered",
            || get(rollout::page),
        )
    },
    page(
        "GET",
        "/api/v1/status",
        READ,
        "Status",
        "connected proxies: who, since when, what was sent, accepted and refused",
        || get(status::page),
    ),
    page(
        "GET",
        "/api/v1/proxies/{namespace}/{workload}/config",
        READ,
        "ConfigDump",
        "what the proxy of a workload is told, as Envoy's /config_dump shows it",
        || get(config::page),
    ),
    Page {
        body: Some("ExplainRequest"),
        ..page(
            "POST",
            "/api/v1/explain",
            READ,
            "Explanation",
            "what the mesh would do with a request, and why: every decision with the line that it comes from",
            || post(explain::page),
        )
    },
    page(
        "GET",
        "/api/v1/effective/{namespace}/{service}",
        READ,
        "Effective",
        "what holds for calls to a service in the end, value by value, and who says so",
        || get(effective::page),
    ),
    page(
        "GET",
        "/api/v1/analyze",
        READ,
        "Findings",
        "what looks wrong across the resources in force, and what to do about it",
        || get(analyze::page),
    ),
    page(
        "GET",
        "/api/v1/problems",
        READ,
        "Problems",
        "errors of the last refused edit of files, and warnings in force",
        || get(problems::page),
    ),
    page(
        "GET",
        "/api/v1/workloads",
        READ,
        "Workloads",
        "workloads, their identities, and whether their proxies are connected",
        || get(workloads::page),
    ),
    Page {
        answer: None,
        ..page("GET", "/metrics", READ, "", "counters in the text format of Prometheus", || {
            get(metrics::page)
        })
    },
    page(
        "GET",
        "/api/v1/certificates",
        READ,
        "Certificates",
        "the CA, what of it is being replaced, and what each proxy has proved",
        || get(certificates::page),
    ),
    Page {
        body: Some("RotateRequest"),
        ..page(
            "POST",
            "/api/v1/certificates/rotate",
            ADMIN,
            "Certificates",
            "begin to replace the issuer or the root",
            || post(certificates::rotate),
        )
    },
    Page {
        body: Some("JoinTokenRequest"),
        ..page(
            "POST",
            "/api/v1/tokens",
            ADMIN,
            "JoinToken",
            "a join token for the proxy of a workload",
            || post(tokens::create),
        )
    },
    page(
        "GET",
        "/api/v1/api-tokens",
        ADMIN,
        "ApiTokens",
        "the tokens of this API, without their secrets",
        || get(api_tokens::list),
    ),
    Page {
        body: Some("ApiTokenRequest"),
        ..page(
            "POST",
            "/api/v1/api-tokens",
            ADMIN,
            "ApiToken",
            "a token for this API; it is shown this once",
            || post(api_tokens::create),
        )
    },
    page("DELETE", "/api/v1/api-tokens/{name}", ADMIN, "ApiTokenDeleted", "end a token of this API", || {
        delete(api_tokens::delete)
    }),
];

/// All pages.
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut pages = Router::new();
    for page in PAGES {
        let route = (page.route)()
            .layer(DefaultBodyLimit::max(page.max_body_bytes))
            .layer(middleware::from_fn_with_state(page.role, allow));
        pages = pages.route(page.path, route);
    }
    pages.fallback(missing).method_not_allowed_fallback(wrong_method).with_state(api)
}

/// Lets through whoever has the role that a page asks for.
async fn allow(
    State(needed): State<Option<Role>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let Some(needed) = needed else { return next.run(request).await };
    match caller.role {
        Some(role) if role >= needed => next.run(request).await,
        Some(role) => {
            let error = format!("this needs the role {}, you have {}", needed.as_str(), role.as_str());
            let help = "ask for another token, or ask on the socket control.sock in the state directory";
            reply::error(StatusCode::FORBIDDEN, &error, help)
        }
        None => {
            let help = "send `Authorization: Bearer TOKEN`; an administrator makes tokens with `ripstop api-token create`, on the socket control.sock in the state directory";
            door::unauthorized("this needs a token", help)
        }
    }
}

/// Its type must not depend on its body, which reads the table that it is in.
fn list() -> Ready<Response> {
    let pages: Vec<Value> = PAGES
        .iter()
        .map(|page| {
            json!({
                "path": page.path,
                "method": page.method,
                "role": page.role.map(Role::as_str),
                "purpose": page.purpose,
            })
        })
        .collect();
    std::future::ready(reply::document(StatusCode::OK, &json!({ "pages": pages })))
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    let mut missing: Vec<String> = api.ready.missing().into_iter().map(str::to_owned).collect();
    let now = api.clock.now();
    if api.identity.svid().is_none_or(|svid| svid.is_expired(now)) {
        missing.push("a valid certificate of the control plane's own".to_owned());
    }
    if missing.is_empty() {
        return reply::document(StatusCode::OK, &json!({"ready": true}));
    }
    let error = format!("not ready: waiting for {}", missing.join(", "));
    reply::error(StatusCode::SERVICE_UNAVAILABLE, &error, "see the log of the control plane")
}

async fn missing(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(256).collect();
    reply::error(StatusCode::NOT_FOUND, &format!("there is no page {path}"), "GET / lists the pages")
}

async fn wrong_method() -> Response {
    let error = "this page does not answer to this method";
    reply::error(StatusCode::METHOD_NOT_ALLOWED, error, "GET / lists the pages with their methods")
}
