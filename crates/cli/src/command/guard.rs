//! `ripstop guard`: waits for the end of `up` and kills what is left of the mesh. Hidden: `up` starts it.

use std::io;

use crate::failure::Failure;
use crate::up::guard;

/// Returns when `up` has said that all is done, or has gone.
pub fn run() -> Result<(), Failure> {
    guard::kill_all(&guard::listen(io::stdin().lock()));
    Ok(())
}
