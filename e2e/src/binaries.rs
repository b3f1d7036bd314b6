//! Where the binaries under test are. They are built, by the same cargo and in the same profile, if they are not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The directory with `ripstop` and the shop's applications.
pub fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // target/PROFILE/deps/this-test
        let test = std::env::current_exe().unwrap();
        let directory = test.parent().unwrap().parent().unwrap().to_owned();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "--package", "ripstop", "--package", "ripstop-shop"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        let status = build.current_dir(repository()).status().expect("cargo runs");
        assert!(status.success(), "the binaries under test do not build");
        directory
    })
}

/// The path of a binary.
pub fn path(name: &str) -> PathBuf {
    directory().join(name)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
