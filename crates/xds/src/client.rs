//! Following a control plane and files: a stream of whole snapshots out of a stream of resources.

mod backoff;
mod dialect;
mod following;
mod graph;
mod holdings;
mod introduction;
mod link;
mod secrets;
mod session;
mod sotw;
mod status;
mod transport;
mod trial;

pub use following::{FileUpdate, Following, Origin, Update, WantedFile, WantedFiles, WantedSecrets};
pub use introduction::Introduction;
pub use link::{BadHeader, Link, Protocol};
pub use secrets::follow_secret;
pub use status::{ClientReport, ClientStatus};
pub use transport::{Ends, run};
pub use trial::{TakeAll, Trial};

pub(crate) use graph::Accepted;
pub(crate) use holdings::read;
