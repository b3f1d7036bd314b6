//! `ripstop expand`: the documents that a `mesh-config.yml` stands for.

use std::path::PathBuf;

use clap::Args;
use ripstop_control::{mesh_config, source};
use ripstop_yaml::{Document, Problem, Severity, Source, parse, write};

use crate::failure::Failure;
use crate::terminal::{Terminal, print_error, stderr_color};

/// Print the documents that a mesh-config.yml stands for
///
/// They are what the control plane makes of the file, and can be used in its place.
/// Other documents are printed as they are. Warnings say what of the file has no effect.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ExpandArgs {
    /// A mesh-config.yml
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Prints the documents.
pub fn run(args: &ExpandArgs) -> Result<(), Failure> {
    let unreadable = |problems: Vec<Problem>| {
        problems.iter().for_each(|problem| print_error(&problem.to_string()));
        Failure::new("the file cannot be read")
    };
    let sources = source::read(std::slice::from_ref(&args.file)).map_err(unreadable)?;
    let mut expanded: Vec<Document> = Vec::new();
    let mut failed = false;
    for source in &sources {
        let documents = parse(source).map_err(|problem| {
            show(&problem, source);
            Failure::new("the file is not YAML")
        })?;
        for document in documents {
            if !mesh_config::is_one(&document) {
                expanded.push(document);
                continue;
            }
            let (documents, problems) = mesh_config::expand(&document, source);
            problems.iter().for_each(|problem| show(problem, source));
            failed |= problems.iter().any(|problem| problem.severity == Severity::Error);
            expanded.extend(documents);
        }
    }
    if failed {
        return Err(Failure::new("the file has errors, shown above"));
    }
    Terminal::stdout().line(write(&expanded).trim_end());
    Ok(())
}

fn show(problem: &Problem, source: &Source) {
    print_error(&format!("{}\n", problem.render(source, stderr_color())));
}
