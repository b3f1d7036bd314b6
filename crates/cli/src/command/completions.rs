//! `ripstop completions`: what a shell needs to complete commands.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::command::Cli;

/// Print completions for a shell
///
///   ripstop completions bash > ~/.local/share/bash-completion/completions/ripstop
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints.
pub fn run(args: &CompletionsArgs) {
    let mut text = Vec::new();
    generate(args.shell, &mut Cli::command(), "ripstop", &mut text);
    // A closed output is no reason to complain.
    let _ = io::Write::write_all(&mut io::stdout(), &text);
}
