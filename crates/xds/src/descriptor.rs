//! Envoy's messages as descriptors, for the binder and the JSON writer. Decoded on first use, in two steps, and let go
//! again by [`release`]. Whoever only reads messages has [`crate::schema`], which costs no memory.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The descriptor set of what a proxy usually meets.
pub(crate) static ENCODED_CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/core.bin"));
/// The descriptor set of all other messages.
pub(crate) static ENCODED_REST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rest.bin"));

/// What was decoded so far. It takes 20 MB and more, so a process that is done with it can let it go.
static POOLS: RwLock<Pools> = RwLock::new(Pools { core: None, whole: None });

struct Pools {
    core: Option<DescriptorPool>,
    whole: Option<DescriptorPool>,
}

/// The message `name` of Envoy's v3 API, such as `envoy.config.cluster.v3.Cluster`.
///
/// What a proxy usually meets takes some 15 ms when it is first needed; the first message outside of it brings in all
/// others.
pub(crate) fn message(name: &str) -> Option<MessageDescriptor> {
    core_pool().get_message_by_name(name).or_else(|| whole_pool().get_message_by_name(name))
}

/// Every message of Envoy's v3 API, three times as large: for help with names and for tests.
pub(crate) fn whole_pool() -> DescriptorPool {
    if let Some(pool) = &read().whole {
        return pool.clone();
    }
    let mut pool = core_pool();
    pool.decode_file_descriptor_set(ENCODED_REST).expect("the build script wrote a descriptor set");
    write().whole.insert(pool).clone()
}

/// Whether anything was decoded and not let go.
pub(crate) fn is_loaded() -> bool {
    read().core.is_some()
}

/// Lets go of everything that was decoded. Descriptors in use stay valid; the next question decodes anew.
pub(crate) fn release() {
    let pools = std::mem::replace(&mut *write(), Pools { core: None, whole: None });
    // Freed after the lock.
    drop(pools);
}

fn core_pool() -> DescriptorPool {
    if let Some(pool) = &read().core {
        return pool.clone();
    }
    let pool = DescriptorPool::decode(ENCODED_CORE).expect("the build script wrote a descriptor set");
    write().core.insert(pool).clone()
}

/// The pools are replaced as a whole, so a panic elsewhere cannot leave them half done.
fn read() -> RwLockReadGuard<'static, Pools> {
    POOLS.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Pools> {
    POOLS.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_known_with_their_rules() {
        let cluster = message("envoy.config.cluster.v3.Cluster").expect("Cluster");
        let name = cluster.get_field_by_name("name").expect("name");
        let rules = cluster.parent_pool().get_extension_by_name("validate.rules").expect("validate.rules");
        assert!(name.options().has_extension(&rules), "validation rules survive trimming");
        for name in [
            "xds.type.v3.TypedStruct",
            "udpa.type.v1.TypedStruct",
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "envoy.admin.v3.ConfigDump",
            "google.protobuf.Timestamp",
        ] {
            assert!(message(name).is_some(), "{name}");
        }
        assert!(message("envoy.no.Such").is_none());
    }

    #[test]
    fn what_was_let_go_comes_back() {
        let held = message("envoy.config.cluster.v3.Cluster").expect("Cluster");
        release();
        assert!(held.get_field_by_name("name").is_some(), "a descriptor in use stays valid");
        assert!(message("envoy.config.cluster.v3.Cluster").is_some());
    }

    #[test]
    fn the_core_is_small_and_has_what_a_proxy_meets() {
        assert!(ENCODED_CORE.len() < 300_000, "{} bytes", ENCODED_CORE.len());
        assert!(ENCODED_CORE.len() + ENCODED_REST.len() < 1_000_000, "comments are left out");
        for name in [
            "envoy.config.bootstrap.v3.Bootstrap",
            "envoy.config.listener.v3.Listener",
            "envoy.config.route.v3.RouteConfiguration",
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            "envoy.extensions.filters.http.router.v3.Router",
            "envoy.extensions.transport_sockets.tls.v3.Secret",
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        ] {
            assert!(core_pool().get_message_by_name(name).is_some(), "{name}");
        }
        assert!(core_pool().get_message_by_name("envoy.admin.v3.ConfigDump").is_none());
    }
}
