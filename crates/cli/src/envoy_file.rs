//! Reading a file in the form of Envoy's bootstrap for a command, with every problem shown in its source line.

use std::fs;
use std::path::Path;

use ripstop_xds::bootstrap::{self, Bootstrap};
use ripstop_yaml::{Severity, Source};

use crate::documents::count;
use crate::failure::Failure;
use crate::terminal::{print_error, stderr_color};

/// A file without errors.
#[derive(Debug)]
pub struct EnvoyFile {
    /// What it says.
    pub bootstrap: Bootstrap,
    /// Warnings that were shown.
    pub warnings: usize,
}

/// Whether `path` is a file that looks like Envoy's bootstrap. What cannot be read is left to whoever reads it next.
pub fn is_one(path: &Path) -> bool {
    path.is_file() && read(path).is_ok_and(|source| bootstrap::is_bootstrap(&source))
}

/// Reads a file, and shows problems on standard error.
///
/// # Errors
/// When it cannot be read or has an error, after showing all of them.
pub fn load(path: &Path) -> Result<EnvoyFile, Failure> {
    let source = read(path)?;
    let (bootstrap, problems) = bootstrap::load(&source);
    // Needed once in the life of the process.
    ripstop_xds::release_descriptors();
    for problem in &problems {
        print_error(&format!("{}\n", problem.render(&source, stderr_color())));
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match bootstrap {
        Some(bootstrap) => Ok(EnvoyFile { bootstrap, warnings: problems.len() - errors }),
        None => {
            Err(Failure::new(format_args!("{} has {}, shown above", path.display(), count(errors, "error"))))
        }
    }
}

fn read(path: &Path) -> Result<Source, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(format_args!("cannot read {}: {error}", path.display())))?;
    Ok(Source::new(path.display().to_string(), text))
}
