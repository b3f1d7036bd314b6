//! The xDS v3 wire: the only crate that knows Envoy's protobuf. Not what is configured (that is the control
//! plane's) nor what is done with it (the proxy's): only how it travels.

#[cfg(test)]
mod arbitrary;
pub mod binder;
pub mod bootstrap;
pub mod client;
pub mod decode;
mod descriptor;
pub mod discovery_file;
pub mod dump;
pub mod encode;
pub mod encoded;
pub mod grpc_health;
mod message;
mod metadata;
pub mod orca;
mod pb;
mod place;
pub mod resource_type;
mod schema;
pub mod secret_file;
pub mod server;
pub mod session_cookie;
pub mod validate;
mod wire;

pub use encoded::{EncodedSnapshot, encode_snapshot};
pub use resource_type::ResourceType;

/// Lets go of what [`binder`] and [`dump`] need: the descriptors of Envoy's API, some 20 MB. They come back by
/// themselves when they are needed again, within 15 ms. For processes in which that is rare.
pub fn release_descriptors() {
    descriptor::release();
}

/// Whether [`binder`] or [`dump`] has loaded descriptors that were not released. Nothing else here loads them.
pub fn descriptors_loaded() -> bool {
    descriptor::is_loaded()
}
