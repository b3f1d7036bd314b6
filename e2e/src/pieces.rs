//! Processes of a mesh started one by one, as somebody does who has no use for `up`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ripstop_testkit::wait::until;
use tokio::process::{Child, Command};

use crate::binaries;

/// A directory with a control plane, and what was started beside it. Dropping it kills all.
pub struct Parts {
    directory: PathBuf,
    children: Vec<(String, Child)>,
}

impl Parts {
    /// Writes `documents` and starts a control plane on them that is ready.
    pub async fn start(name: &str, documents: &str, xds: u16, api: u16) -> Parts {
        let directory = std::env::temp_dir().join(format!("ripstop-parts-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("mesh")).unwrap();
        fs::write(directory.join("mesh/mesh.yaml"), documents).unwrap();
        let mut parts = Parts { directory, children: Vec::new() };
        let (config, state) = (parts.path("mesh"), parts.path("state"));
        let (xds, api) = (format!("--xds-listen=127.0.0.1:{xds}"), format!("--api-listen=127.0.0.1:{api}"));
        parts.ripstop("control", &["control", "--config", &config, "--state-dir", &state, &xds, &api]);
        until("the control plane is there", async || {
            Path::new(&parts.path("state/control.sock")).exists().then_some(())
        })
        .await;
        parts
    }

    /// A path below the directory, as text.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Starts `ripstop` with these arguments; its output goes to `NAME.log`.
    pub fn ripstop(&mut self, name: &str, args: &[&str]) {
        self.program(name, binaries::path("ripstop"), args);
    }

    /// Starts a program; its output goes to `NAME.log`.
    pub fn program(&mut self, name: &str, program: impl AsRef<OsStr>, args: &[&str]) {
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.children.push((name.to_owned(), child));
    }

    /// Runs `ripstop` to its end. Gives what it wrote; it has to succeed.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = Command::new(binaries::path("ripstop"))
            .args(args)
            .args(["--state-dir", &self.path("state")])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Makes a token for a workload. Gives the path of its file.
    pub async fn token(&self, workload: &str) -> String {
        let file = self.path(&format!("{workload}.token"));
        self.run(&["token", "create", workload, "-o", &file]).await;
        file
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for (name, _) in &self.children {
            let text = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(25).collect();
            all.push_str(&format!("--- {name}\n"));
            tail.iter().rev().for_each(|line| all.push_str(&format!("{line}\n")));
        }
        all
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
