//! `ripstop apply` and `ripstop diff`: documents to a control plane that runs.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use ripstop_control::source;
use ripstop_yaml::Source;
use serde_json::{Value, json};

use crate::api::change::{self, Manner};
use crate::api::{self, ApiArgs};
use crate::command::change_args::ChangeArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Put documents in force: all of them, or none
///
/// The documents are checked together with everything that is in force already; every
/// error is shown in its line. Resources that belong to the files of the control plane
/// are changed in those files, not here.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ApplyArgs {
    /// YAML or JSON files, or directories of them; `-` is standard input. May be repeated
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Show what `apply` would change, line by line
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// YAML or JSON files, or directories of them; `-` is standard input. May be repeated
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Applies.
///
/// # Errors
/// The documents are refused, or proxies do not accept them.
pub fn run(args: &ApplyArgs) -> Result<(), Failure> {
    let ChangeArgs { message, api, .. } = &args.change;
    send(&args.files, message, args.change.manner(), api)
}

/// Compares.
///
/// # Errors
/// The documents are refused.
pub fn diff(args: &DiffArgs) -> Result<(), Failure> {
    let manner = Manner { dry_run: true, wait: None, output: args.output, diff: true };
    send(&args.files, "", manner, &args.api)
}

fn send(files: &[PathBuf], message: &str, manner: Manner, api: &ApiArgs) -> Result<(), Failure> {
    let sources = read(files)?;
    let documents: Vec<Value> =
        sources.iter().map(|source| json!({"name": &**source.name(), "text": source.text()})).collect();
    let body = json!({
        "documents": documents,
        "message": message,
        "author": api::user(),
        "dry_run": manner.dry_run,
    });
    let client = api.client()?;
    api::run(change::make(&client, (Method::POST, "/api/v1/apply"), Some(&body), &sources, manner))
}

/// The texts of files, directories and standard input.
///
/// # Errors
/// One cannot be read.
pub fn read(files: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let is_input = |path: &&PathBuf| path.as_path() == Path::new("-");
    let named: Vec<PathBuf> = files.iter().filter(|path| !is_input(path)).cloned().collect();
    let mut sources = source::read(&named).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n"))
    })?;
    if files.iter().any(|path| is_input(&path)) {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(format_args!("cannot read standard input: {error}")))?;
        sources.push(Source::new("standard input", text));
    }
    if sources.is_empty() {
        return Err(Failure::new("there are no files that end in .yaml, .yml or .json")
            .with_help("name files with -f FILE"));
    }
    Ok(sources)
}
