//! `ripstop delete`: takes a resource away that was applied.

use clap::Args;
use http::Method;

use crate::api::change::{self, Manner};
use crate::api::{self, ApiArgs, encoded, object};
use crate::command::apply::WaitArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Take a resource away that was put in force by `apply`
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true)]
    what: Vec<String>,
    /// Its namespace; needed if there are several of the name
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Why; kept in the history
    #[arg(short, long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    message: String,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Deletes.
///
/// # Errors
/// It is not there, belongs to a file, or others cannot be without it.
pub fn run(args: &DeleteArgs) -> Result<(), Failure> {
    let (kind, name) = object::split(&args.what);
    let (Some(kind), Some(name)) = (kind, name) else {
        return Err(
            Failure::new("a kind and a name are needed").with_help("for instance `ripstop delete vs shop`")
        );
    };
    let client = args.api.client()?;
    let manner =
        Manner { dry_run: args.dry_run, wait: args.wait.duration(), output: args.output, diff: false };
    api::run(async {
        let path = object::path(&client, &kind, &name, args.namespace.as_deref()).await?;
        let (author, message) = (encoded(&api::user()), encoded(&args.message));
        let path = format!("{path}?dry_run={}&author={author}&message={message}", args.dry_run);
        change::make(&client, (Method::DELETE, &path), None, &[], manner).await
    })
}
