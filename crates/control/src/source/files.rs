//! Files and directories into texts. Which texts changed, and when to look, is `watch`'s.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ripstop_yaml::{Problem, Source};

/// Most files that are read; more is taken for a directory named by mistake.
pub const MAX_FILES: usize = 10_000;
/// Deepest directory below a named one.
const MAX_DEPTH: usize = 16;
/// Largest file, in bytes; the parser takes no larger text.
const MAX_FILE_BYTES: u64 = ripstop_yaml::MAX_TEXT_BYTES as u64;

/// Reads the named files, and of the named directories all files that end in `.yaml`, `.yml` or `.json`, directories
/// below included, sorted by path. What begins with a dot is left out below a directory. A file that is reached twice
/// is read once.
///
/// # Errors
/// A problem for each path that cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if let Err(problem) = collect(path, &mut files) {
            problems.push(problem);
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|path| seen.insert(path.clone()));
    let mut sources = Vec::with_capacity(files.len());
    for path in &files {
        match read_file(path) {
            Ok(text) => sources.push(Source::new(path.display().to_string(), text)),
            Err(error) => problems.push(unreadable(path, &error)),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let kind = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !kind.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    collect_directory(path, 0, files)
}

fn collect_directory(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let unreadable_here = |error: io::Error| unreadable(directory, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable_here)? {
        entries.push(entry.map_err(unreadable_here)?);
    }
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Links to directories are not followed: they could lead in a circle.
        if entry.file_type().map_err(unreadable_here)?.is_dir() {
            if depth < MAX_DEPTH {
                collect_directory(&path, depth + 1, files)?;
            }
        } else if has_known_ending(&path) {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let message = format!("there are more than {MAX_FILES} files");
            return Err(problem(directory, message).with_help("name the directory of the mesh's documents"));
        }
    }
    Ok(())
}

fn has_known_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
}

fn read_file(path: &Path) -> io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > MAX_FILE_BYTES {
        let message = format!("it has {bytes} bytes, more than the {MAX_FILE_BYTES} allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    fs::read_to_string(path)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    problem(path, format!("this cannot be read: {error}")).with_code("unreadable")
}

fn problem(path: &Path, message: String) -> Problem {
    let source = Source::new(path.display().to_string(), "");
    Problem::error(&source, "", None, message)
}
