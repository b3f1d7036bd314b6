//! The directory in which one mesh keeps what outlives a run (its authority) and what belongs to a run (socket, tokens,
//! logs). One `up` at a time owns it: a lock that the kernel gives back however the owner ends.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::failure::Failure;

/// A Unix socket address holds 108 bytes with its closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// Name of the control plane's socket.
const SOCKET: &str = "control.sock";
/// Name of the file whose lock says whose the directory is.
const LOCK: &str = "lock";

/// A state directory that is locked as long as this value lives.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    /// Holds the lock; never written again.
    _lock: File,
}

impl StateDir {
    /// Creates the directory where needed, for this user alone, and takes its lock.
    ///
    /// # Errors
    /// When another `up` holds the lock (its process id is named), the path cannot be created, is too long for the socket
    /// inside, or is a directory that others use for something else.
    pub fn open(root: PathBuf) -> Result<Self, Failure> {
        let root = std::path::absolute(&root).map_err(|error| cannot("use", &root, &error))?;
        let socket = root.join(SOCKET);
        if socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
            return Err(Failure::new(format_args!(
                "the path {} is too long for a Unix socket ({MAX_SOCKET_PATH_BYTES} bytes at most)",
                socket.display()
            ))
            .with_help("choose a shorter state directory with --state-dir DIR"));
        }
        not_of_others(&root)?;
        private_dir(&root)?;
        let lock = lock(&root)?;
        let dir = Self { root, _lock: lock };
        private_dir(&dir.tokens())?;
        private_dir(&dir.logs())?;
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", &socket, &error)),
            _ => Ok(dir),
        }
    }

    /// The directory itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the control plane answers its administrator.
    pub fn control_socket(&self) -> PathBuf {
        self.root.join(SOCKET)
    }

    /// The certificates by which proxies know their control plane.
    pub fn trust_root(&self) -> PathBuf {
        self.root.join("trust-root.pem")
    }

    /// Where the output of every child goes.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The output of the child of this name.
    pub fn log_file(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// The join token of a workload.
    pub fn token_file(&self, workload: &str) -> PathBuf {
        self.tokens().join(workload)
    }

    fn tokens(&self) -> PathBuf {
        self.root.join("tokens")
    }
}

/// `$XDG_STATE_HOME/ripstop/<mesh>`, by default `~/.local/state/ripstop/<mesh>`.
///
/// # Errors
/// When neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn default_root(mesh: &str) -> Result<PathBuf, Failure> {
    match state_home() {
        Some(state_home) => Ok(state_home.join("ripstop").join(mesh)),
        None => Err(Failure::new("no place for the state of the mesh: HOME is not set")
            .with_help("name a directory with --state-dir DIR")),
    }
}

/// `$XDG_STATE_HOME`, by default `~/.local/state`; `None` if neither it nor `HOME` is set.
pub fn state_home() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// Writes `content` so that only this user can read it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, content: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content.as_bytes())
    };
    write().map_err(|error| cannot("write", path, &error))
}

/// A directory of ours is closed to others; that must not happen to one that is theirs too, such as `/tmp`.
fn not_of_others(root: &Path) -> Result<(), Failure> {
    let Ok(metadata) = fs::metadata(root) else { return Ok(()) };
    let open = metadata.permissions().mode() & 0o077 != 0;
    if !open || root.join(LOCK).exists() {
        return Ok(());
    }
    match fs::read_dir(root).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Err(Failure::new(format_args!(
            "{} is open to other users and holds other things: it would have to be closed to them",
            root.display()
        ))
        .with_help("name a new or an empty directory with --state-dir DIR")),
        // Whatever else is wrong with it is said when it is used.
        Ok(true) | Err(_) => Ok(()),
    }
}

fn private_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(|error| cannot("create", path, &error))
}

fn lock(root: &Path) -> Result<File, Failure> {
    let path = root.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot("open", &path, &error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(held(root, &mut file)),
        Err(error) => return Err(cannot("lock", &path, &error.into())),
    }
    let pid = std::process::id();
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{pid}"))
        .map_err(|error| cannot("write", &path, &error))?;
    Ok(file)
}

fn held(root: &Path, file: &mut File) -> Failure {
    let mut text = String::new();
    let by = match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    };
    Failure::new(format_args!("this mesh is already up: {by} holds {}", root.display())).with_help(
        "stop that one first, or start a second mesh with its own --state-dir DIR and its own ports",
    )
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!("cannot {what} {}: {error}", path.display()))
        .with_help("choose another state directory with --state-dir DIR")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// A fresh directory under the system's temporary directory, removed at the end.
    pub(crate) struct Scratch(pub PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            let name = format!("ripstop-test-{}-{:08x}", std::process::id(), fastrand::u32(..));
            let path = env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_second_owner_is_told_who_the_first_is() {
        let scratch = Scratch::new();
        let first = StateDir::open(scratch.0.join("shop")).unwrap();
        let second = StateDir::open(scratch.0.join("shop")).unwrap_err().to_string();
        assert!(second.contains(&format!("process {} holds", std::process::id())), "{second}");
        drop(first);
        StateDir::open(scratch.0.join("shop")).unwrap();
    }

    #[test]
    fn what_is_inside_is_for_the_owner_alone() {
        let scratch = Scratch::new();
        let dir = StateDir::open(scratch.0.join("shop")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(dir.root()), 0o700);
        assert_eq!(mode(&dir.logs()), 0o700);
        write_private(&dir.token_file("user-1"), "secret").unwrap();
        assert_eq!(mode(&dir.token_file("user-1")), 0o600);
    }

    #[test]
    fn a_directory_that_others_use_is_left_as_it_is() {
        let scratch = Scratch::new();
        let shared = scratch.0.join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();
        fs::write(shared.join("letter"), "").unwrap();
        let error = StateDir::open(shared.clone()).unwrap_err().render(false);
        assert!(error.contains("help: name a new or an empty directory"), "{error}");
        assert_eq!(fs::metadata(&shared).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&shared).unwrap().count(), 1);
        fs::remove_file(shared.join("letter")).unwrap();
        drop(StateDir::open(shared.clone()).unwrap());
        StateDir::open(shared).unwrap();
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let scratch = Scratch::new();
        let error = StateDir::open(scratch.0.join("x".repeat(100))).unwrap_err();
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
        assert!(error.render(false).contains("--state-dir"), "{}", error.render(false));
    }

    #[test]
    fn an_old_socket_is_removed() {
        let scratch = Scratch::new();
        let dir = StateDir::open(scratch.0.clone()).unwrap();
        fs::write(dir.control_socket(), "").unwrap();
        drop(dir);
        let dir = StateDir::open(scratch.0.clone()).unwrap();
        assert!(!dir.control_socket().exists());
    }
}
