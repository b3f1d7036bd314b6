//! `ripstop api-token`: who may use the API of a control plane over the network.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::{self, ApiArgs, encoded};
use crate::failure::Failure;
use crate::output::{Output, Table, cell, items};
use crate::terminal::{Terminal, print_error};

/// Make, list and end tokens for the API of a control plane
#[derive(Debug, Args)]
pub struct ApiTokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; it is shown this once
    Create {
        /// Whose it is: author of what is done with it
        name: String,
        /// What it allows: read, write or admin
        #[arg(long)]
        role: String,
        /// How long it holds, for instance 12h or 30m; until it is deleted by default
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
    },
    /// List the tokens, without their secrets
    List,
    /// End a token at once
    Delete {
        /// Its name
        name: String,
    },
}

/// Does it.
///
/// # Errors
/// The control plane does not answer or refuses.
pub fn run(args: &ApiTokenArgs) -> Result<(), Failure> {
    let client = args.api.client()?;
    let terminal = Terminal::stdout();
    match &args.command {
        TokenCommand::Create { name, role, ttl } => {
            let seconds = ttl.as_deref().map(seconds).transpose()?;
            let wish = json!({"name": name, "role": role, "ttl_seconds": seconds});
            let made = api::run(client.post("/api/v1/api-tokens", &wish))?;
            if !args.output.show(&terminal, &made) {
                terminal.line(&cell(&made["token"]));
                print_error(
                    "this token is shown once; pass it on as RIPSTOP_TOKEN or in a file that only its user can read",
                );
            }
        }
        TokenCommand::List => {
            let found = api::run(client.get("/api/v1/api-tokens"))?;
            if !args.output.show(&terminal, &found) {
                let mut table = Table::new(&["NAME", "ROLE", "CREATED", "EXPIRES"]);
                for token in items(&found["tokens"]) {
                    table.row(["name", "role", "created", "expires"].map(|key| cell(&token[key])));
                }
                terminal.line(&if table.is_empty() {
                    "there is none".to_owned()
                } else {
                    table.render(&terminal)
                });
            }
        }
        TokenCommand::Delete { name } => {
            let path = format!("/api/v1/api-tokens/{}", encoded(name));
            let ended = api::run(client.delete(&path))?;
            if !args.output.show(&terminal, &ended) {
                terminal.line(&format!("token {name} is no longer valid"));
            }
        }
    }
    Ok(())
}

fn seconds(text: &str) -> Result<u64, Failure> {
    match ripstop_yaml::parse_duration(text) {
        Ok(duration) if duration.as_secs() > 0 => Ok(duration.as_secs()),
        _ => Err(Failure::new(format_args!("`{text}` is not a life of a token"))
            .with_help("write it as 12h or 30m")),
    }
}
