//! `ripstop analyze`: everything that looks wrong across documents, with what to do about it. What is wrong is the control
//! plane's to say.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ripstop_control::analyze::{self, Finding};
use ripstop_control::source;
use ripstop_yaml::Severity;
use serde_json::{Value, json};

use crate::documents::count;
use crate::failure::Failure;
use crate::terminal::{Terminal, Tone, print_error};

/// Look for mistakes across documents
///
/// Beyond what `validate` says: rules that are never reached, hosts and subsets that
/// are not there, timeouts and retries that cannot fit, TLS that nobody takes, and more.
/// Each finding has a code, which docs/analysis.md explains, and says what to do.
/// Exits with status 1 if there is an error; warnings alone are no reason to fail.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct AnalyzeArgs {
    /// YAML files, or directories of them
    #[arg(required = true, value_name = "FILE_OR_DIR")]
    files: Vec<PathBuf>,
    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Prints the findings.
pub fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    let sources = source::read(&args.files).map_err(|problems| {
        problems.iter().for_each(|problem| print_error(&problem.to_string()));
        Failure::new("the documents cannot be read")
    })?;
    let findings = analyze::analyze(&sources);
    let terminal = Terminal::stdout();
    match args.output {
        Output::Json => {
            let all: Vec<Value> = findings.iter().map(Finding::to_json).collect();
            let text = serde_json::to_string_pretty(&json!({ "findings": all }));
            terminal.line(&text.map_err(Failure::new)?);
        }
        Output::Text => {
            findings.iter().for_each(|finding| terminal.line(&as_text(finding, &terminal)));
            terminal.line(&summary(&findings, sources.len()));
        }
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        errors => Err(Failure::new(format_args!("{} found", count(errors, "error")))),
    }
}

fn summary(findings: &[Finding], files: usize) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let read = count(files, "file");
    if errors + warnings == 0 {
        return format!("nothing found in {read}");
    }
    format!("{} and {} in {read}", count(errors, "error"), count(warnings, "warning"))
}

fn as_text(finding: &Finding, terminal: &Terminal) -> String {
    let (word, tone) = match finding.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Warning),
    };
    let head = terminal.paint(tone, &format!("{word}[{}]", finding.code));
    let place = match finding.line {
        0 => finding.file.to_string(),
        line => format!("{}:{line}:{}", finding.file, finding.column),
    };
    let object = finding.object.as_ref().map(|(kind, key)| format!(" {kind} {key}")).unwrap_or_default();
    let path = if finding.path.is_empty() { String::new() } else { format!(" {}", finding.path) };
    let remedy = terminal.paint(Tone::Faint, &format!("  remedy: {}", finding.remedy));
    format!("{head} {place}:{object}{path}\n  {}\n{remedy}", finding.message)
}
