//! `/config_dump`: the configuration in force in Envoy's form. It holds references to secrets, never secrets.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, json};
use ripstop_xds::dump;

use super::Inspector;

/// The page.
pub fn show(inspector: &Inspector, _: &Query) -> Answer {
    let applied = inspector.applied.borrow().clone();
    let versions = inspector.client().versions;
    json(StatusCode::OK, dump::config_dump(&applied.generation.snapshot, &versions))
}
