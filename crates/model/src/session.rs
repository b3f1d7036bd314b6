//! Sessions that stay with their endpoint: the client is told which one it was, and names it the next time. How that is
//! written into cookies and headers is the proxy's.

use crate::Name;
use crate::route::HashCookie;

/// Envoy's `StatefulSession`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSession {
    /// Where the endpoint is named; `None`: nowhere, so that there are no sessions.
    pub carrier: Option<SessionCarrier>,
    /// Requests of a session fail rather than go to another endpoint.
    pub strict: bool,
    /// With what they fail where the endpoint is not there any more; 503 unless told. Where it is ill, it is always 503.
    pub gone_status: u16,
}

/// Where the endpoint of a session is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCarrier {
    /// In a cookie, for requests below its path.
    Cookie(HashCookie),
    /// In a header of this name, in lower case, of requests and answers.
    Header(Name),
}
