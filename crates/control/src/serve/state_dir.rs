//! The directory of a control plane: its lock and the names in it. What is in the files is the business of others.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ripstop_identity::files::private_dir;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ControlError;

/// A state directory that is ours as long as this value lives.
#[derive(Debug)]
pub(super) struct StateDir {
    root: PathBuf,
    /// Holds the lock, which the kernel gives back however the process ends.
    _lock: File,
}

impl StateDir {
    /// Makes the directory where needed and locks it.
    pub(super) fn open(root: &Path) -> Result<StateDir, ControlError> {
        private_dir(root)?;
        Ok(StateDir { root: root.to_owned(), _lock: lock(root)? })
    }

    /// The authority's directory.
    pub(super) fn authority(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// The root certificate for proxies.
    pub(super) fn trust_root(&self) -> PathBuf {
        self.root.join("trust-root.pem")
    }

    /// Where processes of this user get configuration without a certificate.
    pub(super) fn xds_socket(&self) -> PathBuf {
        self.root.join("xds.sock")
    }

    /// What is in force, and its history.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store.redb")
    }

    /// The administrator's socket.
    pub(super) fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }
}

fn lock(root: &Path) -> Result<File, ControlError> {
    let path = root.join("control.lock");
    let failed = |action| {
        let path = path.clone();
        move |source: io::Error| ControlError::Socket { action, path, source }
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(ControlError::Locked { dir: root.to_owned(), holder: holder(&mut file) });
        }
        Err(error) => return Err(failed("lock")(error.into())),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed("write"))?;
    Ok(file)
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    }
}
