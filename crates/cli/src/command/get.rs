//! `ripstop get` and `ripstop describe`: what is in force, and whose it is.

use clap::Args;
use serde_json::Value;

use crate::api::change::short_file;
use crate::api::{self, ApiArgs, Client, encoded, object};
use crate::failure::Failure;
use crate::output::{Output, Table, cell, items};
use crate::terminal::{Terminal, Tone};

/// Revisions that `describe` shows.
const SHOWN_REVISIONS: usize = 5;

/// Show resources in force
///
/// A kind is written as `VirtualService`, `virtualservices` or `vs`. With `-o yaml` the
/// documents come as their authors wrote them.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct GetArgs {
    /// KIND, KIND NAME or KIND/NAME; everything by default
    #[arg(value_name = "KIND [NAME]", num_args = 0..=2)]
    what: Vec<String>,
    /// Only of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// What holds for calls to this service in the end, value by value, and who says so
    #[arg(long, value_name = "SERVICE", conflicts_with = "what")]
    effective: Option<String>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Show one resource: where it comes from, how it came to be, what is wrong with it
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true)]
    what: Vec<String>,
    /// Its namespace; needed if there are several of the name
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Lists.
///
/// # Errors
/// The control plane does not answer, or a resource is named that is not there.
pub fn run(args: &GetArgs) -> Result<(), Failure> {
    let (kind, name) = object::split(&args.what);
    let client = args.api.client()?;
    let terminal = Terminal::stdout();
    if let Some(service) = &args.effective {
        let namespace = args.namespace.as_deref().unwrap_or("default");
        let path = format!("/api/v1/effective/{}/{}", encoded(namespace), encoded(service));
        let found = api::run(client.get(&path))?;
        if !args.output.show(&terminal, &found) {
            terminal.line(&effective(&found).render(&terminal));
        }
        return Ok(());
    }
    api::run(async {
        if let (Some(kind), Some(name)) = (&kind, &name) {
            let path = object::path(&client, kind, name, args.namespace.as_deref()).await?;
            let found = client.get(&path).await?;
            show(&terminal, args.output, std::slice::from_ref(&found), &found);
            return Ok(());
        }
        let mut path = format!("/api/v1/resources?text={}", args.output == Output::Yaml);
        for (key, value) in [("kind", kind.as_deref()), ("namespace", args.namespace.as_deref())] {
            if let Some(value) = value {
                path.push_str(&format!("&{key}={}", encoded(value)));
            }
        }
        let found = client.get(&path).await?;
        show(&terminal, args.output, items(&found["resources"]), &found);
        Ok(())
    })
}

fn effective(found: &Value) -> Table {
    let mut table = Table::new(&["FIELD", "VALUE", "FROM", "WRITTEN AT"]);
    for value in items(&found["values"]) {
        let at = match value["line"].as_u64() {
            Some(0) | None => "-".to_owned(),
            Some(line) => format!("{}:{line}", short_file(&cell(&value["file"]))),
        };
        table.row(["field", "value", "from"].map(|key| cell(&value[key])).into_iter().chain([at]));
    }
    table
}

fn show(terminal: &Terminal, output: Output, resources: &[Value], whole: &Value) {
    match output {
        Output::Json => terminal.line(&format!("{whole:#}")),
        Output::Yaml => {
            let texts: Vec<&str> = resources.iter().filter_map(|one| one["text"].as_str()).collect();
            terminal.text(&texts.join("---\n"));
        }
        Output::Table if resources.is_empty() => terminal.line("there is none"),
        Output::Table => {
            let mut table = Table::new(&["KIND", "NAMESPACE", "NAME", "OWNER", "CHANGED IN", "WRITTEN AT"]);
            for one in resources {
                let at = format!("{}:{}", short_file(&cell(&one["file"])), one["line"]);
                let fields = ["kind", "namespace", "name", "owner", "changed_in"].map(|key| cell(&one[key]));
                table.row(fields.into_iter().chain([at]));
            }
            terminal.line(&table.render(terminal));
        }
    }
}

/// Describes.
///
/// # Errors
/// As [`run`].
pub fn describe(args: &DescribeArgs) -> Result<(), Failure> {
    let (kind, name) = object::split(&args.what);
    let (Some(kind), Some(name)) = (kind, name) else {
        return Err(
            Failure::new("a kind and a name are needed").with_help("for instance `ripstop describe vs shop`")
        );
    };
    let client = args.api.client()?;
    let text = api::run(async {
        let path = object::path(&client, &kind, &name, args.namespace.as_deref()).await?;
        let resource = client.get(&path).await?;
        description(&client, &Terminal::stdout(), &resource).await
    })?;
    Terminal::stdout().text(&text);
    Ok(())
}

async fn description(client: &Client, terminal: &Terminal, resource: &Value) -> Result<String, Failure> {
    let field = |key: &str| cell(&resource[key]);
    let owner = match field("owner").as_str() {
        "files" => "the files of the control plane; change it there".to_owned(),
        _ => "the API; change it with `ripstop apply`".to_owned(),
    };
    let mut text = format!("{}\n", terminal.paint(Tone::Strong, &object::title(resource)));
    let rows = [
        ("Belongs to", owner),
        ("Written at", format!("{}:{}", field("file"), field("line"))),
        ("Created in", format!("revision {}", field("created_in"))),
        ("Changed in", format!("revision {}", field("changed_in"))),
    ];
    for (title, value) in rows {
        text.push_str(&format!("  {title}  {value}\n"));
    }
    let query = ["kind", "namespace", "name"].map(|key| format!("{key}={}", encoded(&field(key)))).join("&");
    let history = client.get(&format!("/api/v1/history?limit={SHOWN_REVISIONS}&{query}")).await?;
    text.push_str("\nLast changes\n");
    for revision in items(&history["revisions"]) {
        let changed =
            |change: &&Value| ["kind", "namespace", "name"].iter().all(|key| change[*key] == resource[*key]);
        let action = items(&revision["changes"]).iter().find(changed).map(|change| cell(&change["action"]));
        let message = revision["message"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "  {:>4}  {}  {} by {}  {message}\n",
            cell(&revision["revision"]),
            cell(&revision["at"]),
            action.unwrap_or_default(),
            cell(&revision["author"]),
        ));
    }
    let problems = client.get("/api/v1/problems").await?;
    let lines = resource["text"].as_str().unwrap_or_default().lines().count() as u64;
    let first = resource["line"].as_u64().unwrap_or(0);
    let concerns = |problem: &&Value| {
        let line = problem["line"].as_u64().unwrap_or(0);
        problem["file"] == resource["file"] && (first..first + lines).contains(&line)
    };
    let found: Vec<String> =
        items(&problems["warnings"]).iter().filter(concerns).map(|problem| cell(&problem["text"])).collect();
    if !found.is_empty() {
        text.push_str("\nWarnings\n");
        found.iter().for_each(|one| text.push_str(&format!("  {one}\n")));
    }
    text.push_str(&format!("\n{}", resource["text"].as_str().unwrap_or_default()));
    Ok(text)
}
