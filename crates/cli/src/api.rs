//! The commands' way to a control plane: which one is meant, who asks, and what it answers.

pub mod change;
pub mod object;
pub mod yaml;

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::failure::Failure;
use crate::up::request::{Call, RequestError, Server, send};
use crate::up::state_dir::state_home;

/// How long an answer may take, beyond what is asked to be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which control plane is meant
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Control plane")]
pub struct ApiArgs {
    /// State directory of the control plane, whose socket makes you its administrator; by default
    /// RIPSTOP_STATE_DIR, else that of the one mesh that runs here
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
    /// Address of the API instead, with a token; by default RIPSTOP_API
    #[arg(long, value_name = "IP:PORT", global = true, conflicts_with = "state_dir")]
    api: Option<String>,
    /// File with the token; by default the token is in RIPSTOP_TOKEN
    #[arg(long, value_name = "FILE", global = true)]
    api_token_file: Option<PathBuf>,
}

/// A control plane that can be asked.
#[derive(Debug)]
pub struct Client {
    server: Server,
    token: Option<String>,
}

impl ApiArgs {
    /// The control plane that is meant.
    ///
    /// # Errors
    /// None runs here, or several do; or what is named cannot be used.
    pub fn client(&self) -> Result<Client, Failure> {
        let from_env = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let state_dir = self.state_dir.clone();
        let api = self.api.clone();
        let (state_dir, api) = match (state_dir, api) {
            (None, None) => (from_env("RIPSTOP_STATE_DIR").map(PathBuf::from), from_env("RIPSTOP_API")),
            named => named,
        };
        if let Some(api) = api.filter(|_| state_dir.is_none()) {
            let server = Server::Tcp(address(&api)?);
            let token = match &self.api_token_file {
                Some(file) => Some(read_token(file)?),
                None => from_env("RIPSTOP_TOKEN"),
            };
            return Ok(Client { server, token });
        }
        let socket = match state_dir {
            Some(directory) => directory.join("control.sock"),
            None => running_socket()?,
        };
        Ok(Client { server: Server::Unix(socket), token: None })
    }
}

/// `127.0.0.1:15014`, perhaps as `http://127.0.0.1:15014/`.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    bare.parse().map_err(|_| {
        Failure::new(format_args!("`{text}` is not an address of an API"))
            .with_help("write it as 127.0.0.1:15014")
    })
}

fn read_token(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read the token in {}: {error}", file.display()))
    })?;
    Ok(text.trim().to_owned())
}

/// The socket of the one control plane that answers among those of this user.
fn running_socket() -> Result<PathBuf, Failure> {
    let home = state_home().map(|home| home.join("ripstop"));
    let entries = home.as_ref().and_then(|home| fs::read_dir(home).ok());
    let sockets = entries.into_iter().flatten().flatten().map(|entry| entry.path().join("control.sock"));
    let mut running: Vec<PathBuf> = sockets.filter(|socket| UnixStream::connect(socket).is_ok()).collect();
    running.sort();
    match running.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new("no control plane of yours runs here").with_help(
            "start one with `ripstop up`, or name its state directory with --state-dir DIR, or its address with --api IP:PORT",
        )),
        several => {
            let directories: Vec<String> =
                several.iter().filter_map(|socket| Some(socket.parent()?.display().to_string())).collect();
            Err(Failure::new("several control planes run here")
                .with_help(format_args!("name one with --state-dir: {}", directories.join(", "))))
        }
    }
}

/// An answer that is none that was hoped for.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// `error`, `help` and `problems`.
    pub body: Value,
}

impl Client {
    /// Asks for a page.
    ///
    /// # Errors
    /// Nobody answers, or the answer is an error; it says why.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.wait_for(path, Duration::ZERO).await
    }

    /// Asks for a page whose answer may take so long.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn wait_for(&self, path: &str, wait: Duration) -> Result<Value, Failure> {
        let answer = self.call(Method::GET, path, None, wait).await?;
        answer.map_err(|refused| refused.failure())
    }

    /// Posts a document.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.call(Method::POST, path, Some(body), Duration::ZERO).await?;
        answer.map_err(|refused| refused.failure())
    }

    /// Deletes something.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.call(Method::DELETE, path, None, Duration::ZERO).await?;
        answer.map_err(|refused| refused.failure())
    }

    /// Any request; an answer that is an error is given as it is.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        wait: Duration,
    ) -> Result<Result<Value, Refused>, Failure> {
        let call = Call { method, path, token: self.token.as_deref(), body, patience: PATIENCE + wait };
        let (status, bytes) = send(&self.server, call).await.map_err(|error| self.unanswered(&error))?;
        let body: Value = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(format_args!("{} is not a control plane of this version: {error}", self.server))
        })?;
        Ok(if status.is_success() { Ok(body) } else { Err(Refused { status, body }) })
    }

    fn unanswered(&self, error: &RequestError) -> Failure {
        let failure =
            Failure::new(format_args!("the control plane at {} does not answer: {error}", self.server));
        match (&self.server, error) {
            (Server::Unix(_), RequestError::Connect(_)) => {
                failure.with_help("is it running? `ripstop up` starts a mesh with one")
            }
            _ => failure.with_help("see its log"),
        }
    }
}

impl Refused {
    /// For the person who asked.
    pub fn failure(&self) -> Failure {
        let text = |key: &str| self.body[key].as_str().map(str::to_owned);
        let failure = Failure::new(
            text("error").unwrap_or_else(|| format!("the control plane answers {}", self.status)),
        );
        match text("help") {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

/// Percent-encodes what stands between two slashes of a path, or in a query (RFC 3986).
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Runs a command that asks a control plane.
///
/// # Errors
/// Those of the command.
pub fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    runtime.block_on(work)
}

/// The user at the terminal, as author of changes.
pub fn user() -> String {
    env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_with_and_without_scheme() {
        assert_eq!(address("127.0.0.1:15014").unwrap(), address("http://127.0.0.1:15014/").unwrap());
        let error = address("localhost").unwrap_err().render(false);
        assert!(error.contains("write it as 127.0.0.1:15014"), "{error}");
        assert_eq!(encoded("a b/c.d"), "a%20b%2Fc.d");
    }
}
