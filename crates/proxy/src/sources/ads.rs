//! From the control plane that a file names to a link to it.

use ripstop_model::Snapshot;
use ripstop_xds::bootstrap::{AdsSource, AdsTarget};
use ripstop_xds::client::{Introduction, Link};

use super::SourceError;
use super::channel::{to_address, to_cluster};
use crate::tls::TlsContexts;

/// How the control plane is reached. Nothing is opened before it is used.
///
/// # Errors
/// What about it is of no use.
pub fn link(
    source: &AdsSource,
    introduction: Introduction,
    fixed: &Snapshot,
    tls: &TlsContexts,
) -> Result<Link, SourceError> {
    let channels = match &source.target {
        AdsTarget::Address(address) => vec![to_address(address)?],
        AdsTarget::Cluster(name) => {
            let cluster = fixed.clusters.get(name).ok_or_else(|| SourceError::NoCluster(name.clone()))?;
            to_cluster(cluster, tls)?
        }
    };
    let mut channels = channels.into_iter();
    let first = channels.next().ok_or_else(|| SourceError::Address(String::new()))?;
    let link = Link::new(first, source.protocol, introduction);
    let link = channels.fold(link, Link::or_by);
    Ok(link.with_headers(&source.headers)?)
}
