//! `ripstop validate`: reads documents as the control plane would, and says everything that is wrong with them.

use std::path::PathBuf;

use clap::Args;

use crate::documents;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Check documents without running anything
///
/// Prints every error and warning with the line it stands in. Exits with status 1 if there is an error; warnings alone are no
/// reason to fail.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// YAML files, or directories of them
    #[arg(required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
}

/// Prints the problems.
pub fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let documents = documents::load(&args.files)?;
    let count = documents.resources.len();
    let warnings = match documents.warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        warnings => format!(", {warnings} warnings"),
    };
    Terminal::stdout().line(&format!("{count} documents are valid{warnings}"));
    Ok(())
}
