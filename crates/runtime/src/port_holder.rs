//! Who listens on a TCP port of this machine, as Linux tells it: `/proc/net/tcp{,6}` gives the socket's inode and owner,
//! `/proc/*/fd` the process that holds the inode. Processes of other users are not visible without privileges.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `st` column of a socket in LISTEN.
const LISTEN: &str = "0A";
/// Command lines are cut to this many characters.
const MAX_COMMAND_CHARS: usize = 120;

/// What is known of the process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Found, with its command line.
    Process {
        /// Its process id.
        pid: u32,
        /// Its command line, control characters replaced.
        command: String,
    },
    /// The socket is known, its process cannot be seen.
    Hidden {
        /// User id that owns the socket.
        uid: u32,
    },
    /// Nobody was found listening: the port is bound but not listening, or has just been freed.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Process { pid, command } => write!(f, "process {pid} ({command})"),
            Holder::Hidden { uid: 0 } => {
                write!(f, "a process of root, which this user is not allowed to look at")
            }
            Holder::Hidden { uid } => {
                write!(f, "a process of the user with id {uid}, which this user is not allowed to look at")
            }
            Holder::Unknown => write!(f, "a process that could not be found"),
        }
    }
}

/// Finds who listens where `address` wants to; a listener on all addresses counts.
pub fn find(address: SocketAddr) -> Holder {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().filter_map(listening_socket).filter(|s| s.collides(address)));
    }
    let Some(first) = sockets.first() else { return Holder::Unknown };
    let pid = sockets.iter().find_map(|socket| process_of(socket.inode));
    match pid {
        Some(pid) => Holder::Process { pid, command: command_of(pid) },
        None => Holder::Hidden { uid: first.uid },
    }
}

struct Socket {
    local: SocketAddr,
    uid: u32,
    inode: u64,
}

impl Socket {
    /// Whether a bind to `address` meets this socket: same port, and the same or a wildcard address on either side.
    fn collides(&self, address: SocketAddr) -> bool {
        self.local.port() == address.port()
            && (self.local.ip().is_unspecified()
                || address.ip().is_unspecified()
                || self.local.ip().to_canonical() == address.ip().to_canonical())
    }
}

/// One line of `/proc/net/tcp{,6}` if its socket listens: `sl local rem st tx:rx tr:tm retr uid timeout inode …`.
fn listening_socket(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (&local, &state, &uid, &inode) = (fields.get(1)?, fields.get(3)?, fields.get(7)?, fields.get(9)?);
    if state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
                let digits = address.get(index * 8..index * 8 + 8)?;
                word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Socket { local: SocketAddr::new(ip, port), uid: uid.parse().ok()?, inode: inode.parse().ok()? })
}

/// The process that has a file descriptor for the socket with this inode.
fn process_of(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = |path: std::path::PathBuf| {
            fs::read_link(path).is_ok_and(|target| target.as_os_str() == wanted.as_str())
        };
        if descriptors.flatten().any(|descriptor| holds(descriptor.path())) {
            return Some(pid);
        }
    }
    None
}

fn command_of(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&raw).replace(|c: char| c.is_control(), " ");
    match words.trim() {
        "" => "command line unknown".to_owned(),
        words if words.chars().count() > MAX_COMMAND_CHARS => {
            words.chars().take(MAX_COMMAND_CHARS).chain(['…']).collect()
        }
        words => words.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pid_of(holder: Holder) -> u32 {
        match holder {
            Holder::Process { pid, command } => {
                assert!(command.contains("ripstop"), "{command}");
                pid
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(pid_of(find(address)), std::process::id());
        assert_eq!(pid_of(find(SocketAddr::from(([0, 0, 0, 0], address.port())))), std::process::id());
    }

    #[test]
    fn a_listener_on_all_addresses_is_found() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(pid_of(find(SocketAddr::from(([127, 0, 0, 1], port)))), std::process::id());
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(find(address), Holder::Unknown);
    }

    #[test]
    fn kernel_lines_are_understood() {
        let v4 = "   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4242 1 0 100";
        let socket = listening_socket(v4).unwrap();
        assert_eq!((socket.local, socket.uid, socket.inode), ("127.0.0.1:8081".parse().unwrap(), 1000, 4242));
        let v6 = "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1";
        assert_eq!(listening_socket(v6).unwrap().local, "[::1]:80".parse().unwrap());
        assert!(listening_socket(&v4.replace(" 0A ", " 01 ")).is_none(), "only listeners");
        for line in ["", "  sl  local_address rem_address   st", "0: zz:1 0:0 0A 0 0 0 1 0 1", "0: é0 x 0A"]
        {
            assert!(listening_socket(line).is_none(), "{line}");
        }
    }
}
