//! The ADS server: what is pushed to whom, and what became of it. What is in a snapshot is decided elsewhere
//! (see [`ViewSource`]). And the SDS server, which serves secrets alone, and the CSDS server, which tells how clients stand.

mod client_status;
mod messages;
mod sds;
mod secrets;
mod service;
pub(crate) mod session;
mod status;
mod view;

pub use client_status::{ClientSource, ClientStatusServer, ClientView, client_status_server};
pub use sds::{SecretAcks, serve_secrets};
pub use secrets::EncodedSecrets;
pub use service::{AdsServer, ads_server};
pub use status::{Answered, Nack, StreamReport, StreamStatus, TypeReport};
pub use view::{OpenSecrets, Peer, Refusal, View, ViewSource};
