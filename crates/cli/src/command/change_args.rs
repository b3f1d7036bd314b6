//! What every command that changes something can be told.

use std::time::Duration;

use clap::Args;

use crate::api::ApiArgs;
use crate::api::change::Manner;
use crate::output::Output;

/// How a change is made
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Why; kept in the history
    #[arg(short, long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub message: String,
    /// Check everything and show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until every proxy that this concerns has accepted it, at most so long
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30"
    )]
    wait: Option<u64>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pub api: ApiArgs,
}

impl ChangeArgs {
    /// The same for whoever makes the change. What is only tried is shown line by line.
    pub fn manner(&self) -> Manner {
        Manner {
            dry_run: self.dry_run,
            wait: self.wait.map(Duration::from_secs),
            output: self.output,
            diff: self.dry_run,
        }
    }
}
