//! The ADS server: what is pushed to whom, and what became of it. What is in a snapshot is decided elsewhere
//! (see [`ViewSource`]).

mod service;
pub(crate) mod session;
mod status;
mod view;

pub use service::{AdsServer, ads_server};
pub use status::{Answered, Nack, StreamReport, StreamStatus, TypeReport};
pub use view::{Peer, Refusal, View, ViewSource};
