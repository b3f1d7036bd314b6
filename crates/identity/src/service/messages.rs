//! The two messages of `istio.v1.auth`. Fields that the mesh does not use are skipped when decoding.

/// A request for a certificate. Field 4, `metadata`, is not looked at.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct IstioCertificateRequest {
    /// PEM-encoded PKCS#10 request.
    #[prost(string, tag = "1")]
    pub(super) csr: String,
    /// Wished lifetime in seconds; 0 leaves it to the authority.
    #[prost(int64, tag = "3")]
    pub(super) validity_duration: i64,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct IstioCertificateResponse {
    /// PEM certificates: leaf, issuer, and last the root.
    #[prost(string, repeated, tag = "1")]
    pub(super) cert_chain: Vec<String>,
}
