//! Which processor does what: proxies have the first one to themselves, load and upstreams have the others.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is measured.
    Proxy,
    /// What drives it.
    Load,
}

/// Processors of this machine that this process may use.
pub fn processors() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect())
}

/// Puts the calling thread, and all that it starts from now on, on the processors of `side`. With one processor nothing
/// is pinned.
pub fn pin(all: &[usize], side: Side) -> io::Result<()> {
    let Some((first, others)) = all.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Ok(());
    };
    let mut set = CpuSet::new();
    match side {
        Side::Proxy => set.set(*first),
        Side::Load => others.iter().for_each(|cpu| set.set(*cpu)),
    }
    Ok(sched_setaffinity(None, &set)?)
}
