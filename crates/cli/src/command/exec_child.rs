//! `ripstop exec-child`: becomes another program that dies with its parent. Hidden: `up` starts every child through it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::failure::Failure;

/// Arguments of `ripstop exec-child`.
#[derive(Debug, Args)]
pub struct ExecChildArgs {
    /// Process that must still be the parent
    #[arg(long, value_name = "PID")]
    parent: i32,
    /// Program to become, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Asks the kernel for SIGKILL at the parent's death, then becomes the command: returns only if that fails.
///
/// The kernel sends the signal when the *thread* that started this process ends; `up` starts all children from its main
/// thread. If the parent died before the kernel was asked, no signal would ever come: so the parent is checked afterwards.
pub fn run(args: &ExecChildArgs) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::new(format_args!("cannot bind this process to its parent: {error}")))?;
    if getppid() != Pid::from_raw(args.parent) {
        return Err(Failure::new(format_args!("process {} is gone, and so nothing is started", args.parent)));
    }
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Err(Failure::new("no command given"));
    };
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::new(format_args!("cannot start {}: {error}", program.display())))
}
