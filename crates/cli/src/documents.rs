//! Reading the documents of a mesh for a command, with every problem shown in its source line.

use std::fs;
use std::path::{Path, PathBuf};

use ripstop_control::document::decode;
use ripstop_control::resource::{Mesh, Resource};
use ripstop_model::TrustDomain;
use ripstop_yaml::{Severity, Source};

use crate::failure::Failure;
use crate::terminal::{print_error, stderr_color};

/// Documents without errors.
#[derive(Debug)]
pub struct Documents {
    /// The mesh as a whole; the default one if no document describes it.
    pub mesh: Mesh,
    /// Everything that is written.
    pub resources: Vec<Resource>,
    /// Warnings that were shown.
    pub warnings: usize,
}

/// Reads files and directories, and shows problems on standard error.
///
/// # Errors
/// When a file cannot be read, or a document has an error.
pub fn load(paths: &[PathBuf]) -> Result<Documents, Failure> {
    let mut resources = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    for file in files(paths)? {
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let source = Source::new(file.display().to_string(), text);
        let (found, problems) = decode(&source);
        resources.extend(found);
        for problem in problems {
            match problem.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            print_error(&format!("{}\n", problem.render(&source, stderr_color())));
        }
    }
    if errors > 0 {
        return Err(Failure::new(format_args!("{errors} errors in the documents of the mesh")));
    }
    let mesh = resources.iter().find_map(|resource| match resource {
        Resource::Mesh(mesh) => Some(mesh.clone()),
        _ => None,
    });
    let mesh = match mesh {
        Some(mesh) => mesh,
        None => Mesh::new(TrustDomain::new(Mesh::DEFAULT_TRUST_DOMAIN).map_err(Failure::new)?),
    };
    Ok(Documents { mesh, resources, warnings })
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let mut inside: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"))
            .collect();
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format_args!("cannot read {}: {error}", path.display()))
}
