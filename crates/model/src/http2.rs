//! How HTTP/2 is spoken on a connection, towards clients and towards endpoints alike.

use std::time::Duration;

/// Envoy's `Http2ProtocolOptions`. `None` is always Envoy's default or, where [`Http2Options`] says so, ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http2Options {
    /// Bytes of the table by which headers are compressed; `None`: 4096.
    pub hpack_table_size: Option<u32>,
    /// Most streams that the peer may have open at once, 1 to 2,147,483,647; `None`:
    /// [`Http2Options::DEFAULT_MAX_CONCURRENT_STREAMS`].
    pub max_concurrent_streams: Option<u32>,
    /// Bytes that the peer may send on a stream before it is told to go on, 65,535 to 2,147,483,647; `None`:
    /// [`Http2Options::DEFAULT_STREAM_WINDOW_BYTES`].
    pub initial_stream_window_size: Option<u32>,
    /// The same for all streams together; `None`: [`Http2Options::DEFAULT_CONNECTION_WINDOW_BYTES`].
    pub initial_connection_window_size: Option<u32>,
    /// CONNECT with a protocol (RFC 8441) is offered.
    pub allow_connect: bool,
    /// Frames without payload that may follow each other; `None`: 1.
    pub max_empty_frames: Option<u32>,
    /// PRIORITY frames for each stream; `None`: 100.
    pub max_priority_frames_per_stream: Option<u32>,
    /// WINDOW_UPDATE frames for each DATA frame sent, at least 1; `None`: 10.
    pub max_window_updates_per_data_frame: Option<u32>,
    /// Whether the peer is asked for signs of life.
    pub keepalive: Option<Http2Keepalive>,
}

impl Http2Options {
    /// The smallest window of a stream that can be written (RFC 9113 §6.9.2 begins with it).
    pub const LEAST_WINDOW_BYTES: u32 = 65_535;
    /// Our default for [`Http2Options::max_concurrent_streams`], which is Envoy's as well.
    pub const DEFAULT_MAX_CONCURRENT_STREAMS: u32 = 1024;
    /// Our default for [`Http2Options::initial_stream_window_size`]: what a slow reader can make us hold.
    pub const DEFAULT_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
    /// Our default for [`Http2Options::initial_connection_window_size`].
    pub const DEFAULT_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
    /// Envoy's default for [`Http2Options::max_empty_frames`].
    pub const DEFAULT_MAX_EMPTY_FRAMES: u32 = 1;
    /// Envoy's default for [`Http2Options::max_priority_frames_per_stream`].
    pub const DEFAULT_MAX_PRIORITY_FRAMES_PER_STREAM: u32 = 100;
    /// Envoy's default for [`Http2Options::max_window_updates_per_data_frame`].
    pub const DEFAULT_MAX_WINDOW_UPDATES_PER_DATA_FRAME: u32 = 10;
}

/// Envoy's `KeepaliveSettings`: PING frames by which a dead peer is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// From one PING to the next, at least 1 ms; `None`: none are sent at intervals.
    pub interval: Option<Duration>,
    /// How long an answer may take, at least 1 ms.
    pub timeout: Duration,
}
