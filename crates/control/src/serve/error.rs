//! Why a control plane cannot start.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use ripstop_identity::authority::AuthorityError;
use ripstop_identity::files::FileError;
use ripstop_model::spiffe::SpiffeIdError;
use ripstop_runtime::listen::BindError;
use ripstop_yaml::{Problem, Severity};

use crate::change::Refusal;
use crate::source::WatchError;
pub use crate::store::StoreError;

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The documents have errors. Each stands on a line of its own.
    #[error("{}", all_problems(.0))]
    Documents(Vec<Problem>),
    /// A file of the state directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another control plane has the state directory.
    #[error("{} belongs to a control plane that runs ({holder}); stop that one, or choose another state directory", dir.display())]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// `process 123`, or less.
        holder: String,
    },
    /// A socket or lock file cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Socket {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Plaintext would be open to other machines.
    #[error(
        "--xds-plaintext is for proxies on this machine, and {0} is not a loopback address; listen on 127.0.0.1, or let proxies connect with certificates"
    )]
    PlaintextBeyondLoopback(std::net::SocketAddr),
    /// Something else is where a socket belongs.
    #[error("{} {what}; choose another state directory", path.display())]
    SocketTaken {
        /// The path of the socket.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The trust domain gives no identity for the control plane.
    #[error(transparent)]
    Identity(#[from] SpiffeIdError),
    /// The authority gives no certificate to its own control plane.
    #[error("the control plane gets no certificate from its own authority: {0}")]
    Certificate(String),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be configured.
    #[error("cannot configure TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was in force when the control plane ran last cannot be put in force again.
    #[error("what was in force last cannot be put in force again: {0}")]
    Stored(String),
    /// Edits would not be noticed.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl ControlError {
    /// What a start was refused for.
    pub(super) fn from_refusal(refusal: Refusal) -> ControlError {
        match refusal {
            Refusal::Problems(problems) => ControlError::Documents(problems),
            Refusal::Store(error) => ControlError::Store(error),
            other => ControlError::Stored(other.to_string()),
        }
    }
}

fn all_problems(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let mut text = match errors {
        1 => "the documents have an error:".to_owned(),
        n => format!("the documents have {n} errors:"),
    };
    for problem in problems {
        let mark = if problem.severity == Severity::Warning { "warning: " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {mark}{problem}");
    }
    text
}
