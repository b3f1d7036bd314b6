//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// How long a condition may take to become true before the test has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks again and again until there is a value; panics with `what` after [`DEADLINE`].
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
