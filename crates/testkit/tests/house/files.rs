//! The files of the repository as texts. What is built or fetched is not among them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Directories that are not part of what is kept.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];

/// A text of the repository.
pub struct Text {
    /// Path from the root, with `/`.
    pub path: String,
    /// What is in it.
    pub content: String,
}

impl Text {
    /// Whether its name ends so.
    pub fn is(&self, extension: &str) -> bool {
        self.path.ends_with(extension)
    }
}

/// Where the repository begins.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is here")
}

/// Every file that is UTF-8, by path.
pub fn texts() -> &'static [Text] {
    static TEXTS: OnceLock<Vec<Text>> = OnceLock::new();
    TEXTS.get_or_init(read)
}

fn read() -> Vec<Text> {
    let root = root();
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("readable directory").flatten() {
            let path = entry.path();
            let left_out = LEFT_OUT.iter().any(|name| entry.file_name() == *name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !left_out => waiting.push(path),
                Ok(kind) if kind.is_file() && !left_out => {
                    let Ok(content) = fs::read_to_string(&path) else { continue };
                    let path = path.strip_prefix(&root).expect("below the root");
                    found.push(Text { path: path.to_string_lossy().into_owned(), content });
                }
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 100, "the repository is not at {}", root.display());
    found
}

/// Every Rust file.
pub fn rust() -> impl Iterator<Item = &'static Text> {
    texts().iter().filter(|text| text.is(".rs"))
}
