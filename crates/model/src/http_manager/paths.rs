//! What is done to the path and the host of a request before anything else looks at them. The algorithms are decisions
//! and live elsewhere.

/// How the path of a request is made unambiguous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathRules {
    /// `normalize_path`: dot segments are resolved, and escapes of characters that need none. `None`: what
    /// [`PathRules::NORMALIZE_KEY`] says, else no.
    pub normalize: Option<bool>,
    /// `merge_slashes`: several slashes in a row count as one.
    pub merge_slashes: bool,
    /// What is done with `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
}

impl PathRules {
    /// By this name the default of [`PathRules::normalize`] may be set.
    pub const NORMALIZE_KEY: &str = "http_connection_manager.normalize_path";
    /// By this name the default of [`PathRules::escaped_slashes`] may be set, as the number of Envoy's enum.
    pub const ESCAPED_SLASHES_KEY: &str = "http_connection_manager.path_with_escaped_slashes_action";
}

/// Envoy's `PathWithEscapedSlashesAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EscapedSlashes {
    /// What [`PathRules::ESCAPED_SLASHES_KEY`] says, else they are kept.
    #[default]
    Default,
    /// They stay as they are.
    Keep,
    /// The request is answered with 400.
    Reject,
    /// The client is sent to the unescaped path with 307.
    Redirect,
    /// The request goes on with the unescaped path.
    Forward,
}

/// How the host of a request is cut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostRules {
    /// Which ports are left out.
    pub strip_port: StripPort,
    /// `strip_trailing_host_dot`: the dot at the end of an absolute name is left out.
    pub strip_trailing_dot: bool,
}

/// `strip_matching_host_port` and `strip_any_host_port`, of which only one may be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StripPort {
    /// None.
    #[default]
    Keep,
    /// The port that the client connected to.
    Matching,
    /// Any.
    Any,
}

/// Envoy's `HeadersWithUnderscoresAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Underscores {
    /// Headers with an underscore in their name are like any other.
    #[default]
    Allow,
    /// A request with one is refused: 400, over HTTP/2 a reset.
    Reject,
    /// They are left out.
    Drop,
}
