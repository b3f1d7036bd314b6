//! Makes sure that every port of the mesh is free before anything starts, and says who has it if not.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use ripstop_runtime::port_holder;

/// How long a taken port may still become free: after an `up` that was killed, its guard needs a moment.
const PATIENCE: Duration = Duration::from_millis(300);

/// A port that something in the mesh will listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it will listen.
    pub address: SocketAddr,
    /// Who wants it and what for, for instance `the application of workload user-1 (mesh.yaml:71)`.
    pub by: String,
}

/// Binds every claimed port for a moment, all at once, without sharing.
///
/// # Errors
/// Names the first port that two parts of the mesh want, that somebody else holds, or that cannot be bound.
pub fn check(claims: &[Claim]) -> Result<(), Failure> {
    let mut ports: BTreeMap<u16, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        let same_port = ports.entry(claim.address.port()).or_default();
        if let Some(other) = same_port.iter().find(|other| overlap(other.address, claim.address)) {
            return Err(Failure::new(format_args!(
                "port {} is wanted twice: by {} and by {}",
                claim.address.port(),
                other.by,
                claim.by
            ))
            .with_help("give one of them another port"));
        }
        same_port.push(claim);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut held = Vec::with_capacity(claims.len());
    for claim in claims {
        held.push(bind(claim.address, deadline).map_err(|error| refused(claim, &error))?);
    }
    Ok(())
}

fn bind(address: SocketAddr, deadline: Instant) -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified()
}

fn refused(claim: &Claim, error: &io::Error) -> Failure {
    let Claim { address, by } = claim;
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = port_holder::find(*address);
            Failure::new(format_args!(
                "port {} is taken: {by} needs {address}, which is held by {holder}",
                address.port()
            ))
            .with_help("stop the one that holds it, or change the port in the mesh's documents")
        }
        io::ErrorKind::PermissionDenied => {
            Failure::new(format_args!("{by} needs {address}, which this user may not use: {error}"))
                .with_help("choose a port from 1024 on")
        }
        io::ErrorKind::AddrNotAvailable => {
            Failure::new(format_args!("{by} needs {address}, which is not an address of this machine"))
                .with_help("`ripstop up` runs a mesh on one machine: use 127.0.0.1")
        }
        _ => Failure::new(format_args!("{by} needs {address}, which cannot be bound: {error}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn claim(address: SocketAddr, by: &str) -> Claim {
        Claim { address, by: by.to_owned() }
    }

    #[test]
    fn a_taken_port_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = check(&[claim(address, "the application of workload a (mesh.yaml:3)")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("port {} is taken", address.port())), "{text}");
        assert!(text.contains("workload a (mesh.yaml:3)"), "{text}");
        assert!(text.contains(&format!("process {} (", std::process::id())), "{text}");
    }

    #[test]
    fn free_ports_are_free_again_after_the_check() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        check(&[claim(address, "a")]).unwrap();
        check(&[claim(address, "a")]).unwrap();
    }

    #[test]
    fn two_claims_of_one_port_are_found_without_binding() {
        let claims = [
            claim("127.0.0.1:9".parse().unwrap(), "workload a"),
            claim("127.0.0.2:9".parse().unwrap(), "workload b"),
            claim("0.0.0.0:9".parse().unwrap(), "workload c"),
        ];
        let text = check(&claims).unwrap_err().to_string();
        assert_eq!(text, "port 9 is wanted twice: by workload a and by workload c");
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = check(&[claim("192.0.2.1:0".parse().unwrap(), "workload a")]).unwrap_err();
        assert!(error.to_string().contains("not an address of this machine"), "{error}");
    }
}
