//! The process table.

use std::fs;
use std::path::Path;

/// Processes whose command line holds `needle`, as `pid command`. This process itself is never one of them.
pub fn holding(needle: &str) -> Vec<String> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        // The environment tells apart the applications, whose command lines are alike in all meshes.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        if pid != own && (line.contains(needle) || environment.contains(needle)) && !is_zombie(&entry.path())
        {
            found.push(format!("{pid} {line}"));
        }
    }
    found
}

fn is_zombie(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Resident memory of a process in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// The pid in `pid command` of the only process that holds `needle` and `also` in its command line.
pub fn pid(needle: &str, also: &str) -> Option<u32> {
    let all = holding(needle);
    let mut matching = all.iter().filter(|line| line.contains(also));
    let only = matching.next()?;
    only.split_once(' ')?.0.parse().ok()
}

/// Sends a signal by number to a process.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
