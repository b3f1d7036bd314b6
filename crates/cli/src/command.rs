//! The subcommands: what can be written on the command line. Each has a file of its own, which also runs it.

pub mod analyze;
pub mod control;
pub mod exec_child;
pub mod expand;
pub mod guard;
pub mod proxy;
pub mod up;
pub mod validate;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// A service mesh in one binary: gateway, sidecars, control plane and certificate authority
///
/// Start with `ripstop up`: it brings a whole mesh up on this machine, without root,
/// containers or Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "ripstop", version, verbatim_doc_comment)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::UpArgs),
    Validate(validate::ValidateArgs),
    Analyze(analyze::AnalyzeArgs),
    Expand(expand::ExpandArgs),
    Control(control::ControlArgs),
    Proxy(Box<proxy::ProxyArgs>),
    #[command(hide = true)]
    ExecChild(exec_child::ExecChildArgs),
    /// Kill what a killed `ripstop up` left behind
    #[command(hide = true)]
    Guard,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// With what to tell the person who asked.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Up(args) => up::run(args),
            Command::Validate(args) => validate::run(&args),
            Command::Analyze(args) => analyze::run(&args),
            Command::Expand(args) => expand::run(&args),
            Command::Control(args) => control::run(args),
            Command::Proxy(args) => proxy::run(*args),
            Command::ExecChild(args) => exec_child::run(&args),
            Command::Guard => guard::run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_what_is_for_people_is_shown() {
        let help = Cli::command().render_long_help().to_string();
        for shown in ["up ", "validate ", "analyze ", "expand ", "control ", "proxy "] {
            assert!(help.contains(&format!("\n  {shown}")), "{help}");
        }
        assert!(!help.contains("exec-child") && !help.contains("guard"), "{help}");
    }
}
