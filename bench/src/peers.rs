//! Who is compared: where their programs are, and how each is started on a [`Site`].

mod envoy;
mod haproxy;
mod nginx;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::process::Process;
use crate::site::{Shape, Site};
use crate::{Context, Outcome};

/// Version of Envoy that is compared with, as `.ci/envoy` fetches it.
const ENVOY_VERSION: &str = "1.40.0";

/// What stands between the load and the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// Nothing.
    Direct,
    /// This project.
    Ripstop,
    /// Envoy, with the very same configuration file.
    Envoy,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

impl Peer {
    /// All, in the order of the tables.
    pub const ALL: [Peer; 5] = [Peer::Direct, Peer::Ripstop, Peer::Envoy, Peer::Nginx, Peer::Haproxy];

    /// As tables write it.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Direct => "direct",
            Peer::Ripstop => "Ripstop",
            Peer::Envoy => "Envoy",
            Peer::Nginx => "nginx",
            Peer::Haproxy => "HAProxy",
        }
    }

    /// Whether it can do the work.
    pub fn can(self, shape: &Shape) -> bool {
        match (self, shape) {
            (Peer::Direct, Shape::Plain | Shape::Http2 | Shape::Tcp) => true,
            (Peer::Direct, _) => false,
            // Its proxy speaks HTTP/1 to upstreams, except gRPC; the module for TCP is a package of its own.
            (Peer::Nginx, Shape::Http2 | Shape::Tcp) => false,
            (Peer::Nginx | Peer::Haproxy, Shape::Front | Shape::Back | Shape::Mesh { .. }) => false,
            (Peer::Nginx | Peer::Haproxy, Shape::Routed) => self == Peer::Nginx,
            _ => true,
        }
    }

    /// Its program.
    ///
    /// # Errors
    /// With how to install it, if it is missing.
    pub fn program(self, ripstop: &Path) -> Outcome<PathBuf> {
        let candidates = match self {
            Peer::Direct => return Ok(PathBuf::new()),
            Peer::Ripstop => vec![ripstop.to_owned()],
            Peer::Envoy => vec![
                std::env::var_os("RIPSTOP_BENCH_ENVOY").map(PathBuf::from).unwrap_or_default(),
                crate::repository().join(format!("target/envoy/envoy-{ENVOY_VERSION}")),
            ],
            Peer::Nginx => vec!["/usr/sbin/nginx".into(), "/usr/local/sbin/nginx".into()],
            Peer::Haproxy => vec!["/usr/sbin/haproxy".into(), "/usr/local/sbin/haproxy".into()],
        };
        let missing = match self {
            Peer::Ripstop | Peer::Direct => "`cargo build --profile dist -p ripstop` builds it",
            Peer::Envoy => "`.ci/envoy` fetches it, or name it in RIPSTOP_BENCH_ENVOY",
            Peer::Nginx => "`apt-get install nginx-light` installs it",
            Peer::Haproxy => "`apt-get install haproxy` installs it",
        };
        let found = candidates.into_iter().find(|candidate| candidate.is_file());
        found.ok_or_else(|| {
            format!("{} is missing: {missing}; or choose others with --peer", self.name()).into()
        })
    }

    /// What it says of its version.
    pub fn version(self, program: &Path) -> String {
        let argument = if self == Peer::Haproxy || self == Peer::Nginx { "-v" } else { "--version" };
        let Ok(said) = Command::new(program).arg(argument).output() else { return String::new() };
        let both = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&both);
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }

    /// Writes its configuration for `site` and starts it. It serves when this returns.
    pub fn start(self, context: &Context, site: &Site) -> Outcome<Process> {
        let mut process = self.spawn(context, site)?;
        process.wait_until_it_listens(site.port)?;
        Ok(process)
    }

    /// The same without waiting.
    pub fn spawn(self, context: &Context, site: &Site) -> Outcome<Process> {
        let program = self.program(&context.ripstop)?;
        let directory = &context.directory;
        let stem = format!("{}-{}", self.name().to_lowercase(), site.port);
        let file = |extension: &str, text: &str| -> Outcome<String> {
            let path = directory.join(format!("{stem}.{extension}"));
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let envoy = || file("json", &format!("{:#}", envoy::bootstrap(site, self)));
        let path;
        let args: Vec<&str> = match self {
            Peer::Direct => return Err("a direct connection has no process".into()),
            Peer::Ripstop => {
                path = envoy()?;
                vec!["proxy", "-c", &path, "--concurrency", "1"]
            }
            Peer::Envoy => {
                path = envoy()?;
                vec!["-c", &path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
            }
            Peer::Nginx => {
                path = file("conf", &nginx::configuration(site, directory))?;
                vec!["-c", &path, "-e", "stderr"]
            }
            Peer::Haproxy => {
                path = file("cfg", &haproxy::configuration(site))?;
                vec!["-f", &path, "-db"]
            }
        };
        Process::start(&stem, &program, &args, directory, &context.processors)
    }
}
