//! `ripstop`: control plane, proxy and tools of the mesh in one binary. Here is the door; the rooms are in [`command`].

mod api;
mod command;
mod documents;
mod envoy_file;
mod failure;
mod output;
mod problems;
mod terminal;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// Small and fast for many short-lived buffers, on every thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match command::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::print_error(&failure.render(terminal::stderr_color()));
            ExitCode::FAILURE
        }
    }
}
