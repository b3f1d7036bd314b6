//! `ripstop history` and `ripstop rollback`: what changed when, by whom and why; and the way back.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::api::change::{self, paint_diff};
use crate::api::{self, ApiArgs, Client, encoded, object};
use crate::command::change_args::ChangeArgs;
use crate::failure::Failure;
use crate::output::{Output, Table, cell, items};
use crate::terminal::{Terminal, Tone};

/// Resources that are named in a line of the list.
const NAMED: usize = 3;

/// Show accepted changes, the newest first; or one of them with its differences
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A REVISION; or KIND NAME or KIND/NAME, for the changes of one resource
    #[arg(value_name = "REVISION | KIND NAME", num_args = 0..=2)]
    what: Vec<String>,
    /// Only of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Make what was applied what it was at a revision, as a new revision
///
/// Resources that belong to files stay as the files say; if they would have to change,
/// nothing is done, and they are named.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RollbackArgs {
    /// The revision to go back to
    #[arg(value_name = "REVISION")]
    revision: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Lists revisions, or shows one.
///
/// # Errors
/// The control plane does not answer, or does not have the revision.
pub fn run(args: &HistoryArgs) -> Result<(), Failure> {
    let client = args.api.client()?;
    let terminal = Terminal::stdout();
    if let [only] = args.what.as_slice()
        && let Ok(revision) = only.parse::<u64>()
    {
        return api::run(one(&client, &terminal, revision, args.output));
    }
    let (kind, name) = object::split(&args.what);
    let mut path = format!("/api/v1/history?limit={}", args.limit);
    let filter = [("kind", kind), ("name", name), ("namespace", args.namespace.clone())];
    for (key, value) in filter.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        path.push_str(&format!("&{key}={}", encoded(&value)));
    }
    let history = api::run(client.get(&path))?;
    if args.output.show(&terminal, &history) {
        return Ok(());
    }
    let mut table = Table::new(&["REVISION", "AT", "AUTHOR", "CHANGES", "MESSAGE"]);
    for revision in items(&history["revisions"]) {
        let field = |key: &str| cell(&revision[key]);
        let changes = summary(items(&revision["changes"]));
        table.row([field("revision"), field("at"), field("author"), changes, field("message")]);
    }
    terminal.line(&if table.is_empty() { "no change is kept".to_owned() } else { table.render(&terminal) });
    Ok(())
}

async fn one(client: &Client, terminal: &Terminal, revision: u64, output: Output) -> Result<(), Failure> {
    let found = client.get(&format!("/api/v1/history/{revision}")).await?;
    if output.show(terminal, &found) {
        return Ok(());
    }
    let title = format!("revision {revision}");
    terminal.line(&format!(
        "{}  {} by {}  {}",
        terminal.paint(Tone::Strong, &title),
        cell(&found["at"]),
        cell(&found["author"]),
        found["message"].as_str().unwrap_or_default()
    ));
    for change in items(&found["changes"]) {
        terminal.line(&format!("\n{}  {}", object::title(change), cell(&change["action"])));
        terminal.text(&paint_diff(terminal, change["diff"].as_str().unwrap_or_default()));
    }
    Ok(())
}

/// `VirtualService shop updated, Service cart created, and 3 more`.
fn summary(changes: &[Value]) -> String {
    let word = |change: &Value| {
        format!("{} {} {}", cell(&change["kind"]), cell(&change["name"]), cell(&change["action"]))
    };
    let mut words: Vec<String> = changes.iter().take(NAMED).map(word).collect();
    if changes.len() > NAMED {
        words.push(format!("and {} more", changes.len() - NAMED));
    }
    words.join(", ")
}

/// Goes back.
///
/// # Errors
/// The revision is not kept, or files would have to change.
pub fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let ChangeArgs { message, dry_run, .. } = &args.change;
    let client = args.change.api.client()?;
    let body = json!({
        "revision": args.revision,
        "message": message,
        "author": api::user(),
        "dry_run": dry_run,
    });
    api::run(change::make(
        &client,
        (Method::POST, "/api/v1/rollback"),
        Some(&body),
        &[],
        args.change.manner(),
    ))
}
