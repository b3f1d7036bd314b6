//! What the upstream is told of the client's certificate, in `x-forwarded-client-cert`.

/// What is done with the header `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForwardClientCert {
    /// Removed from every request.
    #[default]
    Sanitize,
    /// Passed on when the client has shown a certificate.
    ForwardOnly,
    /// The client's certificate is appended.
    AppendForward,
    /// Replaced by the client's certificate.
    SanitizeSet,
    /// Passed on from anybody. Only behind a peer that is trusted.
    AlwaysForwardOnly,
}

/// Envoy's `SetCurrentClientCertDetails`: what the element about the client holds besides `By` and `Hash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientCertDetails {
    /// Subject of the certificate.
    pub subject: bool,
    /// The certificate.
    pub cert: bool,
    /// The chain of certificates, the client's first.
    pub chain: bool,
    /// DNS names of the certificate.
    pub dns: bool,
    /// URI names of the certificate.
    pub uri: bool,
}
