//! The control plane as proxies and administrators meet it: over its sockets, with documents that change.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod changes;
mod http;
mod lifecycle;
mod proxy;
mod push;
mod refusing;
mod running;
mod schema;

use std::time::Duration;

/// Nothing here takes longer unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `holds`, looking again and again.
pub async fn eventually<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = holds().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never came about: {what}"))
}
