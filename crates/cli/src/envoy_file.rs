//! Reading a file in the form of Envoy's bootstrap for a command, with every problem shown in its source line.

use std::fs;
use std::path::Path;

use ripstop_model::Snapshot;
use ripstop_xds::bootstrap::{self, Bootstrap};
use ripstop_xds::client::{WantedFile, WantedFiles};
use ripstop_xds::{ResourceType, discovery_file};
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
/// When it has an error, after showing all of them.
pub fn load(source: &Source) -> Result<EnvoyFile, Failure> {
    let (bootstrap, problems) = bootstrap::load(source);
    // Needed once in the life of the process.
    ripstop_xds::release_descriptors();
    for problem in &problems {
        print_error(&format!("{}\n", problem.render(source, stderr_color())));
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match bootstrap {
        Some(bootstrap) => {
            let more = load_named(bootstrap.files())?;
            Ok(EnvoyFile { bootstrap, warnings: problems.len() - errors + more })
        }
        None => {
            Err(Failure::new(format_args!("{} has {}, shown above", source.name(), count(errors, "error"))))
        }
    }
}

/// Reads files with resources, and those that they name, and shows problems. Gives the number of warnings.
fn load_named(files: WantedFiles) -> Result<usize, Failure> {
    let mut waiting: Vec<WantedFile> = files.into_iter().collect();
    let mut seen = WantedFiles::new();
    let mut warnings = 0;
    while let Some((kind, file)) = waiting.pop() {
        if !seen.insert((kind, file.clone())) {
            continue;
        }
        // Encoded protobuf has no lines to show; it is read when the proxy runs.
        if file.path.ends_with(".pb") {
            continue;
        }
        let (resources, more) = load_resources(Some(kind), Path::new(&*file.path))?;
        warnings += more;
        waiting.extend(bootstrap::named_files(&resources));
    }
    Ok(warnings)
}

/// Reads a file with a `DiscoveryResponse`, and shows problems. Gives the number of warnings.
///
/// # Errors
/// When it cannot be read or has an error, after showing all of them.
pub fn load_resources(kind: Option<ResourceType>, path: &Path) -> Result<(Snapshot, usize), Failure> {
    let source = read(path)?;
    let (file, problems) = discovery_file::load(kind, &source);
    ripstop_xds::release_descriptors();
    for problem in &problems {
        print_error(&format!("{}\n", problem.render(&source, stderr_color())));
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let failure =
        || Failure::new(format_args!("{} has {}, shown above", path.display(), count(errors, "error")));
    Ok((file.ok_or_else(failure)?.resources, problems.len() - errors))
}

/// Whether `path` is a file that looks like one with resources.
pub fn is_resources(path: &Path) -> bool {
    path.is_file() && read(path).is_ok_and(|source| discovery_file::is_discovery_file(&source))
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Source, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(format_args!("cannot read {}: {error}", path.display())))?;
    Ok(Source::new(path.display().to_string(), text))
}
