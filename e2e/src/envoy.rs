//! Where the real Envoy is that Ripstop is compared with. Fetching it is the work of `.ci/envoy`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries;

/// The version whose behaviour counts.
pub const VERSION: &str = "1.40.0";

/// The binary: what `RIPSTOP_E2E_ENVOY` names, else the one that `.ci/envoy` has fetched, else `envoy` on the path.
///
/// # Errors
/// With what to do, if there is none of this version.
pub fn path() -> Result<PathBuf, String> {
    let fetched = format!("target/envoy/envoy-{VERSION}");
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("RIPSTOP_E2E_ENVOY").map(PathBuf::from).into_iter().collect();
    candidates.push(binaries::repository().join(&fetched));
    // CARGO_TARGET_DIR may be elsewhere: target/PROFILE/deps/this-test
    let test = std::env::current_exe().unwrap_or_default();
    candidates.extend(test.ancestors().nth(3).map(|target| target.join(format!("envoy/envoy-{VERSION}"))));
    candidates.push(PathBuf::from("envoy"));
    let found = candidates.into_iter().find(|candidate| is_right(candidate));
    found.ok_or_else(|| {
        format!(
            "Envoy {VERSION} is missing: run `.ci/envoy` to fetch it into {fetched}, \
             or name a binary of that version in RIPSTOP_E2E_ENVOY"
        )
    })
}

fn is_right(candidate: &Path) -> bool {
    let version = Command::new(candidate).arg("--version").output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!("/{VERSION}/")))
}
