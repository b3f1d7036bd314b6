//! `ripstop cert`: the CA of a control plane, what each proxy has proved, and replacing issuer or root.

mod show;

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::{self, ApiArgs, Client};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Where the control plane tells how things are.
const PAGE: &str = "/api/v1/certificates";
/// How often it is asked while waiting.
const WAIT_STEP: Duration = Duration::from_millis(500);
/// Waiting ends after this long unless told otherwise: a day and a bit, the life of a certificate.
const DEFAULT_WAIT_S: u64 = 26 * 3600;

/// See certificates, and replace the issuer or the root without anybody noticing
///
/// A root is replaced in phases, each of which waits for proof from every proxy: the new
/// root is made known, certificates are issued below it, the old one is taken away.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CertArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The CA, what of it is being replaced, and every proxy
    Status(Output),
    /// Replace the issuer: proxies get certificates from a new one
    RotateIssuer(Rotate),
    /// Replace the root, and the issuer below it
    RotateRoot(Rotate),
    /// One proxy: its certificate, and whom it trusts
    Inspect(Inspect),
}

#[derive(Debug, Args)]
struct Output {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
struct Rotate {
    /// Wait until it is done, at most for this many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "93600")]
    wait: Option<u64>,
}

#[derive(Debug, Args)]
struct Inspect {
    /// Its node id, or `WORKLOAD` or `WORKLOAD.NAMESPACE`
    proxy: String,
    #[command(flatten)]
    output: Output,
}

/// Asks the control plane.
pub fn run(args: CertArgs) -> Result<(), Failure> {
    let terminal = Terminal::stdout();
    let client = args.api.client()?;
    match args.command {
        Command::Status(output) => {
            let document = api::run(client.get(PAGE))?;
            print(&terminal, output.output, &document, show::status);
            Ok(())
        }
        Command::Inspect(inspect) => {
            let document = api::run(client.get(PAGE))?;
            let proxy = find(&document, &inspect.proxy)?;
            print(&terminal, inspect.output.output, proxy, |terminal, proxy| {
                show::proxy(terminal, proxy, &document)
            });
            Ok(())
        }
        Command::RotateIssuer(rotate) => start(&client, &terminal, "issuer", rotate.wait),
        Command::RotateRoot(rotate) => start(&client, &terminal, "root", rotate.wait),
    }
}

fn print(terminal: &Terminal, form: Form, document: &Value, show: impl FnOnce(&Terminal, &Value) -> String) {
    match form {
        Form::Table => terminal.line(&show(terminal, document)),
        Form::Json => terminal.line(&format!("{document:#}")),
    }
}

fn find<'a>(document: &'a Value, wanted: &str) -> Result<&'a Value, Failure> {
    let proxies = document["proxies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |proxy: &Value| proxy["instance"].as_str().unwrap_or_default().to_owned();
    let fits = |proxy: &&Value| {
        let instance = name(proxy);
        let workload = instance.split('~').nth(2).unwrap_or_default();
        instance == wanted || workload == wanted || workload.split('.').next() == Some(wanted)
    };
    let found: Vec<&Value> = proxies.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let known: Vec<String> = proxies.iter().map(name).collect();
            let help = match known.is_empty() {
                true => "no proxy follows this control plane".to_owned(),
                false => format!("these do: {}", known.join(", ")),
            };
            Err(Failure::new(format_args!("no proxy `{wanted}` follows the authority")).with_help(help))
        }
        more => {
            let names: Vec<String> = more.iter().map(|proxy| name(proxy)).collect();
            Err(Failure::new(format_args!("`{wanted}` can be several proxies"))
                .with_help(format_args!("name one of {}", names.join(", "))))
        }
    }
}

fn start(client: &Client, terminal: &Terminal, what: &str, wait_s: Option<u64>) -> Result<(), Failure> {
    let begun = Instant::now();
    let before = api::run(client.get(PAGE))?;
    let done_before = before["rotated"][what].as_u64().unwrap_or(0);
    api::run(client.post("/api/v1/certificates/rotate", &json!({ "what": what })))?;
    let Some(wait_s) = wait_s else {
        terminal.line(&format!("The {what} is being replaced; `ripstop cert status` tells how far it is."));
        return Ok(());
    };
    let limit = Duration::from_secs(if wait_s == 0 { DEFAULT_WAIT_S } else { wait_s });
    let mut said = String::new();
    loop {
        let document = api::run(client.get(PAGE))?;
        let rotation = &document["rotation"];
        if rotation.is_null() && document["rotated"][what].as_u64().unwrap_or(0) > done_before {
            let took = begun.elapsed().as_secs_f64();
            terminal.line(&format!("The {what} is replaced ({took:.1} s)."));
            return Ok(());
        }
        let now = show::rotation(rotation);
        if now != said {
            terminal.line(&now);
            said = now;
        }
        if begun.elapsed() >= limit {
            return Err(Failure::new(format_args!(
                "the {what} is not replaced after {} s: {said}",
                limit.as_secs()
            ))
            .with_help("it goes on by itself; `ripstop cert status` tells how far it is"));
        }
        sleep(WAIT_STEP);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_found_by_what_people_call_them() {
        let instances = [
            "sidecar~127.0.0.1~users-1.default~x",
            "sidecar~127.0.0.1~users-1.blue~x",
            "router~1~ingress.default~x",
        ];
        let proxies: Vec<Value> = instances.iter().map(|name| json!({ "instance": name })).collect();
        let document = json!({ "proxies": proxies });
        let check = |wanted: &str, expected: Result<usize, &str>| {
            let found = find(&document, wanted);
            match expected {
                Ok(at) => assert_eq!(found.unwrap()["instance"], instances[at], "{wanted}"),
                Err(text) => {
                    let error = found.unwrap_err().render(false);
                    assert!(error.contains(text), "{wanted}: {error}");
                }
            }
        };
        check("ingress", Ok(2));
        check("users-1.blue", Ok(1));
        check(instances[0], Ok(0));
        check("users-1", Err("can be several proxies"));
        check("cart", Err("these do: sidecar~"));
    }
}
