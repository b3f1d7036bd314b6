//! Session tickets that end after a time of our choosing. Keys are made by the provider and changed by it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use super::ContextError;
use crate::clock::unix_seconds;

/// Bytes of the time that stands before a session.
const TIME_BYTES: usize = 8;

/// A ticketer with a lifetime.
#[derive(Debug)]
struct Limited {
    inner: Arc<dyn ProducesTickets>,
    lifetime: Duration,
}

/// Tickets that are good for `lifetime`, with keys of their own.
pub fn ticketer(lifetime: Duration) -> Result<Arc<dyn ProducesTickets>, ContextError> {
    Ok(Arc::new(Limited { inner: Ticketer::new()?, lifetime }))
}

impl ProducesTickets for Limited {
    fn enabled(&self) -> bool {
        !self.lifetime.is_zero()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX).min(self.inner.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut dated = unix_seconds(SystemTime::now()).to_be_bytes().to_vec();
        dated.extend_from_slice(plain);
        self.inner.encrypt(&dated)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let dated = self.inner.decrypt(cipher)?;
        let (time, plain) = dated.split_at_checked(TIME_BYTES)?;
        let made = u64::from_be_bytes(time.try_into().ok()?);
        let age = unix_seconds(SystemTime::now()).saturating_sub(made);
        (age <= self.lifetime.as_secs()).then(|| plain.to_vec())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_opened_by_the_one_that_made_it() {
        let tickets = ticketer(Duration::from_secs(60)).unwrap();
        let ticket = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(ticketer(Duration::from_secs(60)).unwrap().decrypt(&ticket), None);
        assert!(!ticketer(Duration::ZERO).unwrap().enabled());
    }
}
