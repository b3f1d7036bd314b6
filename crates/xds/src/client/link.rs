//! How a control plane is reached, and which dialect of ADS it speaks.

use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::Channel;

use super::introduction::Introduction;

/// A dialect of ADS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What has changed (`DELTA_GRPC`).
    Delta,
    /// Everything, each time (`GRPC`).
    StateOfTheWorld {
        /// The node is named in the first request of a stream alone.
        names_node_once: bool,
    },
}

/// A control plane.
#[derive(Clone, Debug)]
pub struct Link {
    /// Ways to reach it: one after the other is tried, in turn. Not empty.
    channels: Vec<Channel>,
    next: usize,
    pub(super) protocol: Protocol,
    pub(super) introduction: Introduction,
    metadata: MetadataMap,
}

/// A header that gRPC does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no header for a gRPC call")]
pub struct BadHeader(String);

impl Link {
    /// A control plane behind `channel`.
    pub fn new(channel: Channel, protocol: Protocol, introduction: Introduction) -> Link {
        let metadata = MetadataMap::new();
        Link { channels: vec![channel], next: 0, protocol, introduction, metadata }
    }

    /// Another way to reach it.
    #[must_use]
    pub fn or_by(mut self, channel: Channel) -> Link {
        self.channels.push(channel);
        self
    }

    /// With headers that every stream begins with.
    ///
    /// # Errors
    /// A name or a value that cannot be a header.
    pub fn with_headers(mut self, headers: &[(String, String)]) -> Result<Link, BadHeader> {
        for (name, value) in headers {
            let bad = || BadHeader(name.clone());
            let key = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = AsciiMetadataValue::try_from(value.as_str()).map_err(|_| bad())?;
            self.metadata.append(key, value);
        }
        Ok(self)
    }

    /// The next way to try.
    pub(super) fn channel(&mut self) -> Channel {
        let channel = self.channels[self.next % self.channels.len()].clone();
        self.next = self.next.wrapping_add(1);
        channel
    }

    pub(super) fn headers(&self) -> MetadataMap {
        self.metadata.clone()
    }
}
