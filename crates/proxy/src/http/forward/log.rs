//! What the log is told of a try.

use std::time::Instant;

use ripstop_policy::host::HostEntry;

use super::Forwarding;
use crate::http::attempt::SentOver;
use crate::stream_info::UpstreamInfo;

impl Forwarding<'_> {
    /// Keeps for the log what it went over.
    pub(super) fn note(&mut self, sent_over: SentOver) {
        if let Some((connection, began)) = sent_over.into_inner()
            && self.stream.is_logged()
        {
            self.stream.facts.upstream = UpstreamInfo::clone(&connection);
            self.stream.facts.times.upstream_send = Some(began);
        }
    }

    /// Keeps for the log that the head of an answer has come.
    pub(super) fn note_answer(&mut self) {
        self.stream.facts.details = "via_upstream";
        self.stream.facts.times.response_begin = Some(Instant::now());
    }

    /// Keeps for the log where it goes.
    pub(super) fn describe(&mut self, entry: &HostEntry) {
        if !self.stream.is_logged() {
            return;
        }
        let (facts, name) = (&mut self.stream.facts, &entry.endpoint.hostname);
        facts.host = Some(entry.host.address().to_string().into());
        facts.host_name = (!name.is_empty()).then(|| name.clone());
    }
}
