//! Measures Ripstop and other proxies side by side on equal work, and writes what came of it as Markdown, JSON and SVG.
//!
//! ```text
//! cargo run --release -p ripstop-bench -- [--quick] [--peer NAME]… [--work LETTER]…
//! ```
//!
//! It is no test: nothing fails because a number is bad. A program that is missing does fail, with how to install it.

mod bulk;
mod certificates;
mod control_plane;
mod fleet;
mod load;
mod machine;
mod peers;
mod pin;
mod ports;
mod process;
mod report;
mod site;
mod upstream;
mod work;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use peers::Peer;
use pin::{Side, pin};
use report::Report;
use site::TlsFiles;
use upstream::Upstream;
use work::Work;

/// What can go wrong here is told to who measures, and nothing else is done about it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures proxies side by side.
#[derive(Debug, Parser)]
struct Options {
    /// Shorter runs, for a look
    #[arg(long)]
    quick: bool,
    /// Measure these only, instead of all
    #[arg(long, value_enum)]
    peer: Vec<Peer>,
    /// Do this work only, instead of all
    #[arg(long, value_enum)]
    work: Vec<Work>,
    /// The binary of Ripstop, instead of one that is built with the profile `dist`
    #[arg(long)]
    ripstop: Option<PathBuf>,
    /// Where the results go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Keep results of earlier runs in the same place for work that is not done now
    #[arg(long)]
    keep: bool,
}

/// What all works share.
pub struct Context {
    /// Who is measured.
    pub peers: Vec<Peer>,
    /// The binary of Ripstop.
    pub ripstop: PathBuf,
    /// Where configurations and logs of proxies go.
    pub directory: PathBuf,
    /// Processors, of which the first is the proxy's.
    pub processors: Vec<usize>,
    /// The endpoints.
    pub upstream: Upstream,
    /// Certificates.
    pub tls: TlsFiles,
    /// How long one measurement lasts.
    pub time: Duration,
    /// How often each is repeated; the median counts.
    pub rounds: usize,
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    let ripstop = match &options.ripstop {
        Some(path) => std::path::absolute(path)?,
        None => build()?,
    };
    let chosen =
        |peer: &Peer| options.peer.is_empty() || options.peer.contains(peer) || *peer == Peer::Direct;
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(chosen).collect();
    let mut versions = Vec::new();
    for peer in peers.iter().filter(|peer| **peer != Peer::Direct) {
        versions.push((*peer, peer.version(&peer.program(&ripstop)?)));
    }
    machine::allow_many_files()?;
    let out = std::path::absolute(&options.out)?;
    let directory = out.join("run");
    std::fs::create_dir_all(&directory)?;
    let processors = pin::processors()?;
    let context = Context {
        peers,
        ripstop,
        tls: certificates::write(&directory)?,
        directory,
        upstream: Upstream::start(&processors)?,
        time: if options.quick { Duration::from_secs(1) } else { Duration::from_secs(3) },
        rounds: if options.quick { 1 } else { 3 },
        processors,
    };
    pin(&context.processors, Side::Load)?;
    let mut report = Report::new(machine::describe(&context.processors), versions);
    if options.keep {
        report.take_over(&out)?;
    }
    let wanted: BTreeSet<Work> = options.work.iter().copied().collect();
    for work in Work::ALL.into_iter().filter(|work| wanted.is_empty() || wanted.contains(work)) {
        for row in work.run(&context)? {
            eprintln!("{row}");
            report.add(row);
        }
        report.write(&out)?;
    }
    println!("{}", report.markdown());
    Ok(())
}

/// Builds what is shipped.
fn build() -> Outcome<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--profile", "dist", "--package", "ripstop"]).current_dir(repository());
    if !cargo.status()?.success() {
        return Err("ripstop does not build".into());
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    Ok(target.join("dist/ripstop"))
}
