//! What becomes of the sections of a bootstrap that are not read.

use crate::place::{Place, snake};

/// Sections by which a bootstrap is known.
pub(super) const TELLING: &[&str] =
    &["static_resources", "dynamic_resources", "admin", "node", "layered_runtime", "bootstrap_extensions"];

/// Sections that are read.
pub(crate) const READ: &[&str] =
    &["node", "admin", "static_resources", "dynamic_resources", "layered_runtime", "cluster_manager"];

/// Without these the proxy would do something else than is written.
pub(crate) const NEEDED: &[&str] = &[
    "config_sources",
    "default_config_source",
    "xds_delegate_extension",
    "listener_manager",
    "bootstrap_extensions",
    "hds_config",
];

/// Fields within [`READ`] that have no effect.
const HARMLESS: &[&str] = &[
    "admin.access_log",
    "admin.access_log_path",
    "admin.profile_path",
    "admin.socket_options",
    "admin.ignore_global_conn_limit",
    "cluster_manager.outlier_detection",
    "cluster_manager.upstream_bind_config",
    "cluster_manager.load_stats_config",
    "cluster_manager.enable_deferred_cluster_creation",
];

/// Reports every section that is written and not read.
pub(super) fn check(place: &Place<'_>) {
    for entry in place.root.entries() {
        let name = snake(&entry.key);
        let empty = entry.value.is_null() || is_empty_mapping(&entry.value);
        if READ.contains(&name.as_str()) || empty {
            continue;
        }
        if NEEDED.contains(&name.as_str()) {
            place.error(&name, format!("{name} is not supported"));
        } else {
            place.warn(&name, format!("{name} is not supported and has no effect"));
        }
    }
    for path in HARMLESS.iter().filter(|path| place.has(path)) {
        place.warn(path, "is not supported and has no effect".to_owned());
    }
}

fn is_empty_mapping(node: &ripstop_yaml::Node) -> bool {
    matches!(&node.value, ripstop_yaml::Value::Mapping(entries) if entries.is_empty())
}
