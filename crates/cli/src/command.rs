//! The subcommands: what can be written on the command line. Each has a file of its own, which also runs it.

pub mod agent;
pub mod analyze;
pub mod api_token;
pub mod apply;
pub mod cert;
pub mod change_args;
pub mod completions;
pub mod config;
pub mod control;
pub mod delete;
pub mod exec_child;
pub mod expand;
pub mod explain;
pub mod get;
pub mod guard;
pub mod history;
pub mod proxy;
pub mod status;
pub mod token;
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
    Apply(apply::ApplyArgs),
    Diff(apply::DiffArgs),
    Get(get::GetArgs),
    Describe(get::DescribeArgs),
    Delete(delete::DeleteArgs),
    History(history::HistoryArgs),
    Rollback(history::RollbackArgs),
    Status(status::StatusArgs),
    Config(config::ConfigArgs),
    Explain(explain::ExplainArgs),
    ApiToken(api_token::ApiTokenArgs),
    Control(control::ControlArgs),
    Proxy(Box<proxy::ProxyArgs>),
    Completions(completions::CompletionsArgs),
    Agent(agent::AgentArgs),
    Cert(cert::CertArgs),
    Token(token::TokenArgs),
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
            Command::Apply(args) => apply::run(&args),
            Command::Diff(args) => apply::diff(&args),
            Command::Get(args) => get::run(&args),
            Command::Describe(args) => get::describe(&args),
            Command::Delete(args) => delete::run(&args),
            Command::History(args) => history::run(&args),
            Command::Rollback(args) => history::rollback(&args),
            Command::Status(args) => status::run(&args),
            Command::Config(args) => config::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::ApiToken(args) => api_token::run(&args),
            Command::Completions(args) => {
                completions::run(&args);
                Ok(())
            }
            Command::Control(args) => control::run(args),
            Command::Proxy(args) => proxy::run(*args),
            Command::Agent(args) => agent::run(args),
            Command::Cert(args) => cert::run(args),
            Command::Token(args) => token::run(args),
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
        for shown in
            ["up ", "validate ", "analyze ", "expand ", "control ", "proxy ", "agent ", "cert ", "token "]
        {
            assert!(help.contains(&format!("\n  {shown}")), "{help}");
        }
        assert!(!help.contains("exec-child") && !help.contains("guard"), "{help}");
    }
}
