//! The messages of `ripstop.identity.v1.TrustService/FollowTrust`, by which the authority makes roots known to those that it
//! certifies, and learns that they have taken them.

/// What a proxy says: at first who it is, and then what became of each announcement.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TrustReport {
    /// What the proxy calls itself; only in the first message.
    #[prost(string, tag = "1")]
    pub(super) instance: String,
    /// Version of what it trusts now; empty: nothing that was announced.
    #[prost(string, tag = "2")]
    pub(super) trusts: String,
    /// Why the last announcement was not taken; empty: it was.
    #[prost(string, tag = "3")]
    pub(super) error: String,
}

/// What the authority announces: everything, each time.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TrustAnnouncement {
    /// Names the content.
    #[prost(string, tag = "1")]
    pub(super) version: String,
    /// The roots of the own trust domain as PEM.
    #[prost(string, tag = "2")]
    pub(super) roots_pem: String,
    /// Key identifier (hexadecimal) of the issuer that signs. Who has a certificate of another one renews it soon.
    #[prost(string, tag = "3")]
    pub(super) issuer: String,
    /// Other names of the own trust domain.
    #[prost(string, repeated, tag = "4")]
    pub(super) aliases: Vec<String>,
    /// Foreign trust domains.
    #[prost(message, repeated, tag = "5")]
    pub(super) federated: Vec<FederatedRoots>,
    /// Revocation lists in DER form.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub(super) revocation_lists: Vec<Vec<u8>>,
}

/// The roots of a foreign trust domain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct FederatedRoots {
    /// Its name.
    #[prost(string, tag = "1")]
    pub(super) trust_domain: String,
    /// Its roots as PEM.
    #[prost(string, tag = "2")]
    pub(super) roots_pem: String,
}
