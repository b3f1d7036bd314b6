//! One connection attempt that several requests wait for. It goes on when one of them gives up.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

use super::error::ConnectError;

/// An attempt under way.
#[derive(Default)]
pub struct SharedConnect {
    outcome: RefCell<Option<Result<(), ConnectError>>>,
    done: Notify,
}

impl SharedConnect {
    /// The attempt is over.
    pub fn finish(&self, outcome: Result<(), ConnectError>) {
        *self.outcome.borrow_mut() = Some(outcome);
        self.done.notify_waiters();
    }

    /// Waits for the end of the attempt.
    pub async fn wait(self: Rc<Self>) -> Result<(), ConnectError> {
        let mut done = std::pin::pin!(self.done.notified());
        // From here on no notification is missed.
        done.as_mut().enable();
        if let Some(outcome) = &*self.outcome.borrow() {
            return outcome.clone();
        }
        done.await;
        let outcome = self.outcome.borrow();
        outcome.clone().unwrap_or(Err(ConnectError::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_gets_the_outcome() {
        let connect = Rc::new(SharedConnect::default());
        let early = connect.clone().wait();
        let finish = async {
            tokio::task::yield_now().await;
            connect.finish(Err(ConnectError::Timeout));
        };
        let (early, ()) = tokio::join!(early, finish);
        assert!(matches!(early, Err(ConnectError::Timeout)));
        assert!(matches!(connect.wait().await, Err(ConnectError::Timeout)));
    }
}
