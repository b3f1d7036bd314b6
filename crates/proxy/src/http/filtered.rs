//! What HTTP filters have done to a request that still concerns its answer or its end.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;
use http::header::HeaderMap;
use ripstop_policy::cors::CorsRules;

use super::session::Session;

/// Of one request.
#[derive(Default)]
pub struct Filtered {
    /// The rules by which pages of this origin may use its answer.
    pub cors: Option<(Arc<CorsRules>, HeaderValue)>,
    /// The session that it belongs to.
    pub session: Option<Session>,
    /// It is counted among those that are under a fault.
    pub under_fault: bool,
    /// How many KiB of its answer are given a second.
    pub rate_kib: Option<u64>,
}

impl Filtered {
    /// Says in an answer what filters want to be said.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Some((rules, origin)) = &self.cors {
            rules.mark(origin, headers);
        }
        if let Some(session) = &self.session {
            session.mark(headers, SystemTime::now());
        }
    }
}
