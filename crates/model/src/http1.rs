//! How HTTP/1 is spoken with clients, or with endpoints.

use crate::Name;

/// Envoy's `Http1ProtocolOptions`, without trailers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Http1Options {
    /// HTTP/1.0 is answered; otherwise it is told to upgrade.
    pub accept_http_10: bool,
    /// The host of HTTP/1.0 requests that name none.
    pub default_host_for_http_10: Option<Name>,
    /// A request may say in its target which host it means, as to a proxy. On unless told otherwise.
    pub allow_absolute_url: bool,
    /// A length beside a transfer coding is ignored instead of being refused.
    pub allow_chunked_length: bool,
    /// How the names of headers are written.
    pub names: HeaderNames,
}

impl Default for Http1Options {
    fn default() -> Http1Options {
        Http1Options {
            accept_http_10: false,
            default_host_for_http_10: None,
            allow_absolute_url: true,
            allow_chunked_length: false,
            names: HeaderNames::default(),
        }
    }
}

/// Envoy's `HeaderKeyFormat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderNames {
    /// In lower case.
    #[default]
    Lower,
    /// Each word begins with a capital.
    ProperCase,
    /// As they came.
    Preserve,
}
