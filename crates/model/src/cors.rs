//! Which pages of other origins may use what a route answers with. What follows from it for a request is
//! `ripstop-policy`'s to say.

use crate::Name;
use crate::matcher::StringMatch;
use crate::runtime::RuntimeFraction;

/// Envoy's `CorsPolicy`, of its filter and of its routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsPolicy {
    /// The origins that may; one rule that takes `*` takes all. Empty: those of the level above.
    pub allow_origins: Vec<StringMatch>,
    /// Value of `access-control-allow-methods`; `*`: what is asked for. `None`: that of the level above.
    pub allow_methods: Option<Name>,
    /// Value of `access-control-allow-headers`; `*`: what is asked for. `None`: that of the level above.
    pub allow_headers: Option<Name>,
    /// Value of `access-control-expose-headers`. `None`: that of the level above.
    pub expose_headers: Option<Name>,
    /// Value of `access-control-max-age`, in seconds. `None`: that of the level above.
    pub max_age: Option<Name>,
    /// Cookies may be sent along. `None`: what the level above says, and without that no.
    pub allow_credentials: Option<bool>,
    /// A page of a public network may ask for a private one. `None`: what the level above says, and without that no.
    pub allow_private_network: Option<bool>,
    /// A question of an origin that may not is passed on, not answered. `None`: what the level above says, and without that
    /// yes.
    pub forward_unmatched_preflights: Option<bool>,
    /// For how many requests it holds; `None`: all.
    pub enabled: Option<RuntimeFraction>,
    /// For how many of the others origins are counted; `None`: none.
    pub shadow: Option<RuntimeFraction>,
}
