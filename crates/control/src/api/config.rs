//! `/api/v1/proxies/{namespace}/{workload}/config`: what the proxy of a workload is told, in the form of Envoy's
//! `/config_dump`. It needs not be connected.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_xds::ResourceType;
use ripstop_xds::dump::config_dump;

use super::{Api, reply};
use crate::translate::{ProxyRef, translate};

pub(super) async fn page(
    State(api): State<Arc<Api>>,
    Path((namespace, workload)): Path<(String, String)>,
) -> Response {
    let proxy = ProxyRef::new(namespace, workload);
    let dumped = tokio::task::spawn_blocking(move || {
        if let Some(shown) = api.hub.shown(&proxy) {
            let version = |kind: ResourceType| (kind, shown.of(kind).version.clone());
            return Ok(config_dump(&shown.source(), &ResourceType::ALL.map(version).into()));
        }
        let (snapshot, _) = translate(&api.in_force().world, &proxy)?;
        Ok::<_, crate::translate::UnknownProxy>(config_dump(&snapshot, &BTreeMap::new()))
    });
    match dumped.await {
        Ok(Ok(dump)) => reply::with_type(StatusCode::OK, "application/json", dump),
        Ok(Err(unknown)) => reply::error(
            StatusCode::NOT_FOUND,
            &unknown.to_string(),
            "GET /api/v1/workloads lists all workloads",
        ),
        Err(_) => reply::broken(),
    }
}
