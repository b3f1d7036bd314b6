//! What the binary says when it cannot do what was asked: always what, where, and what to do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::{FlockOperation, flock};

/// A directory of its own for each test, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ripstop-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ripstop(directory: &Path, args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ripstop"));
    let output = command.args(args).current_dir(directory).env("NO_COLOR", "1").output().unwrap();
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    (output, error)
}

/// A mesh of one program without ports; its control plane wants two that are given.
fn mesh(xds: u16, api: u16) -> String {
    format!(
        "apiVersion: ripstop.io/v1
kind: Mesh
metadata: {{name: tiny}}
spec:
  control: {{xds: \"127.0.0.1:{xds}\", api: \"127.0.0.1:{api}\"}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: sleeper}}
spec:
  serviceAccount: sleeper
  address: 127.0.0.1
  run: {{command: [sleep, \"1000\"]}}
"
    )
}

#[test]
fn a_directory_without_a_mesh_is_told_what_is_looked_for() {
    let place = Place::new("nothing");
    let (output, error) = ripstop(&place.0, &["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.starts_with("error: no mesh is described here: neither examples/shop/mesh nor mesh nor"),
        "{error}"
    );
    assert!(error.contains("\nhelp: name its documents with -f FILE_OR_DIR"), "{error}");
}

#[test]
fn a_taken_port_is_named_with_who_wants_it_and_who_has_it() {
    let place = Place::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    place.write("mesh.yaml", &mesh(port, free));
    let (output, error) = ripstop(&place.0, &["up", "--state-dir", "state"]);
    assert_eq!(output.status.code(), Some(1));
    let start = format!(
        "error: port {port} is taken: the control plane, for xDS (mesh.yaml:1) needs 127.0.0.1:{port}, \
         which is held by process {} (",
        std::process::id()
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("\nhelp: stop the one that holds it, or change the port"), "{error}");
}

#[test]
fn a_second_up_is_told_who_the_first_is() {
    let place = Place::new("lock");
    place.write("mesh.yaml", &mesh(15012, 15014));
    fs::create_dir(place.0.join("state")).unwrap();
    let lock = fs::File::create(place.write("state/lock", "")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    fs::write(place.0.join("state/lock"), "4242\n").unwrap();
    let (output, error) = ripstop(&place.0, &["up", "--state-dir", "state"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.starts_with("error: this mesh is already up: process 4242 holds "), "{error}");
}

#[test]
fn a_failed_build_shows_its_output() {
    let place = Place::new("build");
    let [xds, api] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [xds.local_addr().unwrap().port(), api.local_addr().unwrap().port()];
    drop((xds, api));
    let script = "  build: [sh, -c, \"echo cannot find the yarn; exit 3\"]\n  control:";
    place.write("mesh.yaml", &mesh(ports[0], ports[1]).replace("  control:", script));
    let (output, error) = ripstop(&place.0, &["up", "--state-dir", "state"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("the build command of the mesh ended with status 3: sh -c echo"), "{error}");
    assert!(error.contains("\ncannot find the yarn\n"), "{error}");
}

#[test]
fn every_problem_is_shown_in_its_line() {
    let place = Place::new("validate");
    let text = mesh(15012, 15014).replace("address:", "adress:").replace("name: tiny", "nmae: tiny");
    place.write("mesh.yaml", &text);
    let (output, error) = ripstop(&place.0, &["validate", "mesh.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "metadata.nmae: unknown field\n --> mesh.yaml:3:12\n",
        "3 | metadata: {nmae: tiny}\n",
        "help: did you mean `address`?",
        "\nerror: the documents of the mesh have ",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn valid_documents_are_counted() {
    let place = Place::new("valid");
    place.write("mesh.yaml", &mesh(15012, 15014));
    let (output, error) = ripstop(&place.0, &["validate", "."]);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("valid") && text.contains(": 1 workload"), "{text}");
}
