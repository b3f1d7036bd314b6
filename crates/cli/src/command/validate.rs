//! `ripstop validate`: reads documents as the control plane would, and says everything that is wrong with them.

use std::path::PathBuf;

use clap::Args;

use crate::documents::{self, count};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Check documents without running anything
///
/// Prints every error and warning with the line it stands in. Exits with status 1 if
/// there is an error; warnings alone are no reason to fail.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ValidateArgs {
    /// YAML files, or directories of them
    #[arg(required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
}

/// Prints the problems.
pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let documents = documents::load(&args.files)?;
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
    let warnings = match documents.warnings {
        0 => String::new(),
        warnings => format!(", with {}", count(warnings, "warning")),
    };
    let found = format!(
        "valid{warnings}: {}",
        if found.is_empty() { "nothing".to_owned() } else { found.join(", ") }
    );
    Terminal::stdout().line(&found);
    Ok(())
}
