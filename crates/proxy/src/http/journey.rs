//! What logs can tell of where a request went: the endpoints that were tried, and the connections to them.

use ripstop_policy::host::HostEntry;

use super::attempt::{NotConnected, SentOver};
use super::stream::ActiveStream;
use crate::stream_info::Attempted;

/// Tries of one request that are remembered for its log line; further ones are not shown.
pub const MAX_ATTEMPTS_SHOWN: usize = 64;

impl ActiveStream {
    /// It is about to be sent to an endpoint.
    pub fn goes_to(&mut self, entry: &HostEntry) {
        self.mark_sent();
        self.facts.upstream_failure = None;
        if let Some(session) = self.session_mut() {
            session.went_to = Some(entry.host.address().clone());
        }
        if !self.is_logged() {
            return;
        }
        let name = &entry.endpoint.hostname;
        self.facts.host = Some(entry.host.address().to_string().into());
        self.facts.host_name = (!name.is_empty()).then(|| name.clone());
    }

    /// What came of it, as far as connections go.
    pub fn went_over(&mut self, sent_over: SentOver, refused: Option<&NotConnected>) {
        if let Some(refused) = refused {
            self.facts.upstream_failure = refused.reason.clone();
            self.facts.ready_after = Some(refused.waited);
            return;
        }
        let sent = sent_over.into_inner();
        let Some(sent) = sent.filter(|_| self.is_logged()) else { return };
        let connection = sent.connection.id;
        self.facts.upstream = Some(sent.connection);
        self.facts.ready_after = Some(sent.waited);
        self.facts.times.upstream_send = Some(sent.began);
        let wanted = self.wants_attempts() && self.facts.attempted.len() < MAX_ATTEMPTS_SHOWN;
        if let Some(address) = self.facts.host.clone().filter(|_| wanted) {
            let name = self.facts.host_name.clone();
            self.facts.attempted.push(Attempted { address, name, connection });
        }
    }
}
