//! The supported fields of each message. What is in neither list makes a resource unusable.

mod cluster;
mod endpoint;
mod http_manager;
mod lb_policy;
mod listener;
mod route;
mod shared;
mod tls;

use super::Support;

/// All tables.
pub(super) fn all() -> impl Iterator<Item = &'static Support> {
    [
        listener::LISTENER,
        http_manager::HTTP_MANAGER,
        route::ROUTE,
        cluster::CLUSTER,
        endpoint::ENDPOINT,
        lb_policy::LB_POLICIES,
        tls::TLS,
        shared::SHARED,
    ]
    .into_iter()
    .flatten()
}
