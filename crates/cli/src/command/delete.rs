//! `ripstop delete`: takes a resource away that was applied.

use clap::Args;
use http::Method;

use crate::api::{self, change, encoded, object};
use crate::command::change_args::ChangeArgs;
use crate::failure::Failure;

/// Take a resource away that was put in force by `apply`
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true)]
    what: Vec<String>,
    /// Its namespace; needed if there are several of the name
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
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
    let client = args.change.api.client()?;
    let ChangeArgs { message, dry_run, .. } = &args.change;
    api::run(async {
        let path = object::path(&client, &kind, &name, args.namespace.as_deref()).await?;
        let (author, message) = (encoded(&api::user()), encoded(message));
        let path = format!("{path}?dry_run={dry_run}&author={author}&message={message}");
        change::make(&client, (Method::DELETE, &path), None, &[], args.change.manner()).await
    })
}
