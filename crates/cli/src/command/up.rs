//! `ripstop up`: arguments, and which documents are meant when none are named.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;

use ripstop_control::source::State;

use crate::documents;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::up::Up;
use crate::up::plan::Plan;
use crate::up::signals::Signals;
use crate::up::state_dir::{StateDir, default_root};

/// Where documents are looked for, in this order, under the current directory.
const USUAL_PLACES: [&str; 3] = ["examples/shop/mesh", "mesh", "mesh.yaml"];

/// Bring a whole mesh up on this machine
///
/// Starts the control plane with its certificate authority, a proxy for every workload
/// that has one, and the applications, and shows where to reach them. Ctrl-C stops
/// everything in order; nothing is left behind, however this command ends. Edits of the
/// documents take effect while the mesh runs.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct UpArgs {
    /// Documents of the mesh: YAML files, or directories of them. May be repeated
    ///
    /// By default `examples/shop/mesh`, `mesh/` or `mesh.yaml` under the current
    /// directory, whichever is there first.
    #[arg(short = 'f', long = "file", value_name = "FILE_OR_DIR", verbatim_doc_comment)]
    files: Vec<PathBuf>,
    /// Directory for keys, tokens and logs of this mesh
    ///
    /// By default `$XDG_STATE_HOME/ripstop/<mesh>` or `~/.local/state/ripstop/<mesh>`.
    /// The authority of the mesh is kept in it from one run to the next.
    #[arg(long, value_name = "DIR", verbatim_doc_comment)]
    state_dir: Option<PathBuf>,
}

/// Brings the mesh up and returns when it has been stopped.
pub fn run(args: UpArgs) -> Result<(), Failure> {
    let directory = env::current_dir()
        .map_err(|error| Failure::new(format_args!("the current directory cannot be used: {error}")))?;
    let files = if args.files.is_empty() { vec![usual_place(&directory)?] } else { args.files };
    let documents = documents::load(&files)?;
    let plan = Plan::new(&documents.world, &directory);
    if plan.instances.is_empty() {
        return Err(Failure::new("there is nothing to run: no Workload has a `run`, `sidecar` or `gateway`")
            .with_help("see examples/shop/mesh/mesh.yaml for a mesh that runs"));
    }
    let root = match args.state_dir {
        Some(root) => root,
        None => default_root(plan.mesh.meta.name())?,
    };
    let state = StateDir::open(root)?;
    let terminal = Terminal::stdout();
    terminal.line(&format!("State of the mesh is kept in {}", state.root().display()));
    let written = State::new(documents.world, documents.warnings);
    let up = Up { terminal, directory, documents: files, written, plan, state };
    // One thread: children are started by the thread that lives as long as this process, on which their death signal hangs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start: {error}")))?;
    runtime.block_on(async {
        let signals = Signals::new()
            .map_err(|error| Failure::new(format_args!("cannot take Ctrl-C and SIGTERM over: {error}")))?;
        up.run(signals).await
    })
}

fn usual_place(directory: &Path) -> Result<PathBuf, Failure> {
    let found = USUAL_PLACES.iter().map(PathBuf::from).find(|place| directory.join(place).exists());
    found.ok_or_else(|| {
        Failure::new(format_args!(
            "no mesh is described here: neither {} exists in {}",
            USUAL_PLACES.join(" nor "),
            directory.display()
        ))
        .with_help("name its documents with -f FILE_OR_DIR, or run this in the directory that has them")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::up::state_dir::tests::Scratch;

    #[test]
    fn the_usual_places_are_tried_in_order() {
        let scratch = Scratch::new();
        let error = usual_place(&scratch.0).unwrap_err();
        assert!(error.render(false).contains("help: name its documents with -f"), "{}", error.render(false));
        fs::write(scratch.0.join("mesh.yaml"), "").unwrap();
        assert_eq!(usual_place(&scratch.0).unwrap(), Path::new("mesh.yaml"));
        fs::create_dir(scratch.0.join("mesh")).unwrap();
        assert_eq!(usual_place(&scratch.0).unwrap(), Path::new("mesh"));
    }
}
