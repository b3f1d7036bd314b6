//! Following a control plane and files: a stream of whole snapshots out of a stream of resources.

mod backoff;
mod dialect;
mod following;
mod graph;
mod holdings;
mod introduction;
mod link;
mod session;
mod sotw;
mod status;
mod transport;

pub use following::{FileUpdate, Following, Origin, WantedFile, WantedFiles};
pub use introduction::Introduction;
pub use link::{BadHeader, Link, Protocol};
pub use status::{ClientReport, ClientStatus};
pub use transport::{Ends, run};

pub(crate) use graph::Accepted;
pub(crate) use holdings::read;
