//! The ADS client: a stream of whole snapshots out of a stream of resources.

mod backoff;
mod graph;
mod session;
mod status;
mod transport;

pub use status::{ClientReport, ClientStatus};
pub use transport::run;
