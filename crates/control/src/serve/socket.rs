//! A Unix socket as a file: made for one user alone, never taken from a process that lives, removed at the end. What is
//! answered on it is the business of others.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::ControlError;

/// A socket, listening.
pub(super) struct PrivateSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the file when dropped.
pub(super) struct SocketFile(PathBuf);

impl PrivateSocket {
    /// Listens at `path`, where the socket of a process that is gone may still lie. The directory around must be private,
    /// since the mode of the socket is set after it was made.
    pub(super) fn bind(path: PathBuf) -> Result<PrivateSocket, ControlError> {
        PrivateSocket::bind_with_mode(path, 0o600)
    }

    /// The same for everybody on this machine; who connects is told by the kernel.
    pub(super) fn bind_for_all(path: PathBuf) -> Result<PrivateSocket, ControlError> {
        PrivateSocket::bind_with_mode(path, 0o666)
    }

    fn bind_with_mode(path: PathBuf, mode: u32) -> Result<PrivateSocket, ControlError> {
        remove_stale(&path)?;
        let failed = |action| {
            let path = path.clone();
            move |source: io::Error| ControlError::Socket { action, path, source }
        };
        let listener = UnixListener::bind(&path).map_err(failed("listen on"))?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed("set the mode of"))?;
        Ok(PrivateSocket { listener, file: SocketFile(path) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.file.0
    }

    /// To accept on, and to be dropped at the end.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Left behind it does no harm: the next control plane removes it.
        let _ = fs::remove_file(&self.0);
    }
}

fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let taken = |what| ControlError::SocketTaken { path: path.to_owned(), what };
    let failed = |action| move |source| ControlError::Socket { action, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("examine")(error)),
        Ok(file) if !file.file_type().is_socket() => return Err(taken("is there and is not a socket")),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(taken("is answered by another process")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("remove the old"))
        }
        Err(error) => Err(failed("examine")(error)),
    }
}
