//! The xDS v3 wire: the only crate that knows Envoy's protobuf. Not what is configured (that is the control
//! plane's) nor what is done with it (the proxy's): only how it travels.

#[cfg(test)]
mod arbitrary;
pub mod binder;
pub mod bootstrap;
pub mod client;
pub mod decode;
mod descriptor;
pub mod dump;
pub mod encode;
pub mod encoded;
mod metadata;
mod pb;
pub mod resource_type;
pub mod server;
pub mod validate;

pub use encoded::{EncodedSnapshot, encode_snapshot};
pub use resource_type::ResourceType;

/// Lets go of what checking and showing messages needs: the descriptors of Envoy's API and the rules in them, some
/// 20 MB. They come back by themselves when they are needed again, within 15 ms. For processes that do so rarely.
pub fn release_descriptors() {
    descriptor::release();
    validate::release();
}
