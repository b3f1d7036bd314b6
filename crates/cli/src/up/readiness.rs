//! How `up` sees that a process is ready: by asking it again and again, briefly. Not whether it is still healthy later: that
//! is seen by the mesh itself.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::up::log::visible;
use crate::up::request::{self, Server};

/// Pause between two questions.
const INTERVAL: Duration = Duration::from_millis(10);
/// The pause grows to this while a process takes its time.
const MAX_INTERVAL: Duration = Duration::from_millis(100);
/// A process that is not ready after this has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A GET on this path answers 200.
    Http(Server, String),
    /// Somebody accepts connections here.
    Tcp(SocketAddr),
    /// It runs: there is nothing to ask.
    Running,
}

/// Not ready in time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not ready within {} s: {last}", within.as_secs())]
pub struct NotReady {
    within: Duration,
    last: String,
}

impl Readiness {
    /// Returns as soon as it is ready.
    ///
    /// # Errors
    /// With the last answer, when `deadline` has passed.
    pub async fn wait(&self, deadline: Duration) -> Result<(), NotReady> {
        let mut last = "never asked".to_owned();
        let ask = async {
            let mut pause = INTERVAL;
            loop {
                match self.ask().await {
                    Ok(()) => return,
                    Err(reason) => last = reason,
                }
                sleep(pause).await;
                pause = (pause * 5 / 4).min(MAX_INTERVAL);
            }
        };
        timeout(deadline, ask).await.map_err(|_| NotReady { within: deadline, last })
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            Readiness::Http(server, path) => match request::get(server, path).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                Ok((status, body)) => {
                    let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                    Err(format!("{path} on {server} answers {} {}", status.as_u16(), visible(text.trim())))
                }
                Err(error) => Err(format!("{path} on {server}: {error}")),
            },
            Readiness::Tcp(address) => match TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{address}: {error}")),
            },
            Readiness::Running => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_listener_is_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Readiness::Tcp(listener.local_addr().unwrap()).wait(DEADLINE).await.unwrap();
        Readiness::Running.wait(DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn the_last_answer_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = Readiness::Tcp(address).wait(Duration::from_millis(30)).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("not ready within 0 s: {address}: ")), "{error}");
    }
}
