//! What the log is told of a try.

use std::time::Instant;

use super::Forwarding;

impl Forwarding<'_> {
    /// Keeps for the log that the head of an answer has come at that moment.
    pub(super) fn note_answer(&mut self, at: Instant) {
        self.stream.facts.details = "via_upstream";
        self.stream.facts.times.response_begin = Some(at);
    }
}
