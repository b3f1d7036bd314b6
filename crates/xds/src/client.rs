//! The ADS client: a stream of whole snapshots out of a stream of resources.

mod status;

pub use status::{ClientReport, ClientStatus};
