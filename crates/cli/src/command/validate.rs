//! `ripstop validate`: reads documents as the control plane would, and Envoy's files as the proxy would, and says everything
//! that is wrong with them.

use std::path::{Path, PathBuf};

use clap::Args;
use ripstop_yaml::Source;

use crate::documents::{self, count};
use crate::envoy_file;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Check documents without running anything
///
/// Prints every error and warning with the line it stands in. Exits with status 1 if
/// there is an error; warnings alone are no reason to fail.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ValidateArgs {
    /// YAML files, or directories of them; a file in the form of Envoy's bootstrap, or with a
    /// DiscoveryResponse, is checked as `ripstop proxy -c` would read it
    #[arg(required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
}

/// Prints the problems.
pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let (envoy, others): (Vec<PathBuf>, Vec<PathBuf>) =
        args.files.iter().cloned().partition(|path| envoy_file::is_one(path));
    let (resources, documents): (Vec<PathBuf>, Vec<PathBuf>) =
        others.into_iter().partition(|path| envoy_file::is_resources(path));
    // All of them, whatever the first is like: the first failure is told last.
    let mut checked: Vec<Result<(), Failure>> = envoy.iter().map(|path| validate_envoy(path)).collect();
    checked.extend(resources.iter().map(|path| validate_resources(path)));
    if !documents.is_empty() {
        validate_documents(&documents)?;
    }
    checked.into_iter().collect()
}

/// Checks a file in the form of Envoy's bootstrap, with the files that it names.
///
/// # Errors
/// When it cannot be read or has an error, after showing all of them.
fn validate_envoy(path: &Path) -> Result<(), Failure> {
    validate_source(&envoy_file::read(path)?)
}

/// The same of a text.
///
/// # Errors
/// When it has an error, after showing all of them.
pub fn validate_source(source: &Source) -> Result<(), Failure> {
    let file = envoy_file::load(source)?;
    let snapshot = &file.bootstrap.snapshot;
    let found = [count(snapshot.listeners.len(), "listener"), count(snapshot.clusters.len(), "cluster")];
    say_valid(Some(Path::new(&**source.name())), file.warnings, &found.join(", "));
    Ok(())
}

fn validate_resources(path: &Path) -> Result<(), Failure> {
    let (snapshot, warnings) = envoy_file::load_resources(None, path)?;
    let mut found = vec![
        count(snapshot.listeners.len(), "listener"),
        count(snapshot.routes.len(), "route configuration"),
        count(snapshot.clusters.len(), "cluster"),
        count(snapshot.endpoints.len(), "load assignment"),
    ];
    found.retain(|text| !text.starts_with("0 "));
    say_valid(Some(path), warnings, &found.join(", "));
    Ok(())
}

fn validate_documents(paths: &[PathBuf]) -> Result<(), Failure> {
    let documents = documents::load(paths)?;
    let world = &documents.world;
    let mut found = vec![
        count(world.services().count(), "service"),
        count(world.instances().count(), "workload"),
        count(world.gateways().count(), "gateway"),
        count(world.virtual_services().len(), "virtual service"),
        count(world.destination_rules().len(), "destination rule"),
        count(world.peer_authentications().len(), "peer authentication"),
    ];
    found.retain(|text| !text.starts_with("0 "));
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    say_valid(None, documents.warnings.len(), &found);
    Ok(())
}

fn say_valid(path: Option<&Path>, warnings: usize, found: &str) {
    let name = path.map(|path| format!("{}: ", path.display())).unwrap_or_default();
    let warnings = match warnings {
        0 => String::new(),
        warnings => format!(", with {}", count(warnings, "warning")),
    };
    Terminal::stdout().line(&format!("{name}valid{warnings}: {found}"));
}
