//! `ripstop token create`: a join token for a proxy that is not started by `ripstop up`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::{self, ApiArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::up::state_dir::write_private;

/// Make join tokens, with which a proxy proves for the first time who it is
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token: single use, for one workload, valid for a while
    Create(Create),
}

#[derive(Debug, Args)]
struct Create {
    /// The workload whose proxy will show it
    workload: String,
    /// Namespace of the workload
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Seconds until it cannot be used any more, at most 7 days
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    ttl_s: u64,
    /// File to write it to, readable by you alone; by default it is printed
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Asks the control plane for a token.
pub fn run(args: TokenArgs) -> Result<(), Failure> {
    let Command::Create(create) = args.command;
    let wish = json!({
        "namespace": create.namespace,
        "workload": create.workload,
        "ttl_seconds": create.ttl_s,
    });
    let answer = api::run(args.api.client()?.post("/api/v1/tokens", &wish))?;
    let Some(token) = answer["token"].as_str() else {
        return Err(Failure::new("the control plane's answer lacks the token"));
    };
    match create.out {
        None => Terminal::stdout().line(token),
        Some(path) => {
            write_private(&path, token)?;
            let id = answer["spiffe_id"].as_str().unwrap_or_default();
            Terminal::stdout().line(&format!(
                "{}: a token for {id}, valid for {} s",
                path.display(),
                create.ttl_s
            ));
        }
    }
    Ok(())
}
