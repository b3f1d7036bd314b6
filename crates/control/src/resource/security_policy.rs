//! Who may do what, and how that is proved: Istio's `RequestAuthentication` and `AuthorizationPolicy`.

use std::time::Duration;

use ripstop_model::Name;

use super::{Labels, Metadata, Origin};

/// `RequestAuthentication` of `security.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestAuthentication {
    /// Name and place.
    pub meta: Metadata,
    /// Workloads that it applies to; `None`: all of its namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// Whose tokens are believed.
    pub rules: Vec<JwtRule>,
}

/// Istio's `JWTRule`.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtRule {
    /// Who issues the tokens.
    pub issuer: Name,
    /// Of which a token must name one; empty: any.
    pub audiences: Vec<Name>,
    /// Where the keys are.
    pub jwks: Option<Jwks>,
    /// Headers that may hold a token, with what stands before it.
    pub from_headers: Vec<(Name, Name)>,
    /// Query parameters that may hold a token.
    pub from_params: Vec<Name>,
    /// Cookies that may hold a token.
    pub from_cookies: Vec<Name>,
    /// Header that the application gets the payload in.
    pub output_payload_to_header: Option<Name>,
    /// The application gets the token.
    pub forward_original_token: bool,
    /// Headers that the application gets claims in: header, claim.
    pub output_claim_to_headers: Vec<(Name, Name)>,
    /// How long fetching the keys may take.
    pub timeout: Option<Duration>,
    /// Where it was written.
    pub origin: Origin,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// At this URL.
    Uri(Name),
    /// Here.
    Inline(Name),
}

/// `AuthorizationPolicy` of `security.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationPolicy {
    /// Name and place.
    pub meta: Metadata,
    /// Workloads that it applies to; `None`: all of its namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// What follows when a rule holds.
    pub action: AuthorizationAction,
    /// Holds when one of them does; empty: never.
    pub rules: Vec<AuthorizationRule>,
}

/// Istio's `AuthorizationPolicy.Action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationAction {
    /// It may pass; what no such policy of the workload lets pass may not.
    Allow,
    /// It may not pass.
    Deny,
    /// It is written down.
    Audit,
    /// This provider decides.
    Custom(Name),
}

/// Holds when one of `from` (if there are any), one of `to` (if there are any) and all of `when` do.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationRule {
    /// Who asks.
    pub from: Vec<Source>,
    /// What is asked for.
    pub to: Vec<Operation>,
    /// What else must hold.
    pub when: Vec<Condition>,
    /// Where it was written.
    pub origin: Origin,
}

/// Values of which one must match, if there are any, and values of which none may. Texts are exact, `prefix*`, `*suffix`
/// or `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Either {
    /// One of these.
    pub any_of: Vec<Name>,
    /// None of these.
    pub none_of: Vec<Name>,
}

/// Who asks. All must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Identity without `spiffe://`.
    pub principals: Either,
    /// Issuer and subject of a token.
    pub request_principals: Either,
    /// Namespace of the identity.
    pub namespaces: Either,
    /// `namespace/account`, or an account of the own namespace.
    pub service_accounts: Either,
    /// Address of whoever opened the connection.
    pub ip_blocks: Either,
    /// Address of the client, as far as a proxy has told.
    pub remote_ip_blocks: Either,
}

/// What is asked for. All must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Host of the request.
    pub hosts: Either,
    /// Port of the application.
    pub ports: Either,
    /// Method of the request.
    pub methods: Either,
    /// Path of the request.
    pub paths: Either,
}

/// A property that must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which, for instance `request.headers[x-id]`.
    pub key: Name,
    /// Its values.
    pub values: Either,
}
