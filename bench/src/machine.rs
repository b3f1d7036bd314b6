//! The machine that is measured on.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;

/// Files that a work with ten thousand connections needs, with those of its upstream.
const FILES: u64 = 16_000;

/// Lets this process and those it starts open as many files as the machine allows.
pub fn allow_many_files() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    match limit.maximum {
        Some(most) if most < FILES => {
            Err(format!("at most {most} files may be open: raise the limit to {FILES} (ulimit -n)").into())
        }
        _ => Ok(()),
    }
}

/// Its processor, how many of them are used, and its kernel.
pub fn describe(processors: &[usize]) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ':', ' ']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} of {model}, Linux {}", processors.len(), kernel.trim())
}
