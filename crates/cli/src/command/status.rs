//! `ripstop status`: every proxy, and how it stands to what is in force.

use clap::Args;
use serde_json::Value;

use crate::api::change::{name_of, refusals};
use crate::api::{self, ApiArgs};
use crate::documents::count;
use crate::failure::Failure;
use crate::output::{Output, Table, cell, items};
use crate::terminal::{Terminal, Tone};

/// The types, in the order in which they are sent.
const TYPES: [&str; 4] = ["CDS", "EDS", "LDS", "RDS"];

/// Show every proxy: connected or not, what it has accepted and refused
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this one, as WORKLOAD or WORKLOAD.NAMESPACE
    #[arg(value_name = "PROXY")]
    proxy: Option<String>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Shows.
///
/// # Errors
/// The control plane does not answer, or the proxy is not there.
pub fn run(args: &StatusArgs) -> Result<(), Failure> {
    let client = args.api.client()?;
    let (mut status, workloads, problems) = api::run(async {
        let status = client.get("/api/v1/status").await?;
        let workloads = client.get("/api/v1/workloads").await?;
        Ok((status, workloads, client.get("/api/v1/problems").await?))
    })?;
    let wanted = |proxy: &Value| args.proxy.as_ref().is_none_or(|name| is_named(proxy, name));
    if let Some(proxies) = status["proxies"].as_array_mut() {
        proxies.retain(wanted);
    }
    let away: Vec<String> = items(&workloads["workloads"])
        .iter()
        .filter(|workload| !workload["proxy"].is_null() && workload["connected"] == false)
        .map(|workload| format!("{}.{}", cell(&workload["name"]), cell(&workload["namespace"])))
        .filter(|name| args.proxy.as_ref().is_none_or(|wanted| names(name, wanted)))
        .collect();
    if let Some(name) =
        args.proxy.as_ref().filter(|_| items(&status["proxies"]).is_empty() && away.is_empty())
    {
        return Err(Failure::new(format_args!("there is no proxy {name}"))
            .with_help("`ripstop status` lists all; `ripstop get workloads` shows the workloads"));
    }
    let terminal = Terminal::stdout();
    if !args.output.show(&terminal, &status) {
        terminal.line(&render(&terminal, &status, &away, &problems));
    }
    Ok(())
}

fn is_named(proxy: &Value, name: &str) -> bool {
    names(&name_of(proxy), name)
}

/// `workload.namespace` by its whole name or by that of the workload.
fn names(full: &str, name: &str) -> bool {
    full == name || full.rsplit_once('.').is_some_and(|(workload, _)| workload == name)
}

fn render(terminal: &Terminal, status: &Value, away: &[String], problems: &Value) -> String {
    let mut table = Table::new(&[
        "PROXY",
        "STATE",
        "REVISION",
        "CDS",
        "EDS",
        "LDS",
        "RDS",
        "CONNECTED SINCE",
        "SOFTWARE",
    ]);
    let mut details = Vec::new();
    for proxy in items(&status["proxies"]) {
        let stream = items(&proxy["streams"]).last().cloned().unwrap_or_default();
        let state = cell(&proxy["state"]);
        let tone = match state.as_str() {
            "accepted" => Tone::Good,
            "refused" | "disconnected" => Tone::Bad,
            _ => Tone::Warning,
        };
        let shown = match (state.as_str(), proxy["waiting_ms"].as_f64()) {
            ("pending", Some(waiting)) => format!("pending for {}", duration(waiting)),
            _ => state,
        };
        let types = TYPES.map(|kind| of_type(&stream["types"][kind]));
        let [cds, eds, lds, rds] = types;
        let row = [
            name_of(proxy),
            shown,
            cell(&proxy["changed_in"]),
            cds,
            eds,
            lds,
            rds,
            cell(&stream["connected_since"]),
            cell(&stream["user_agent"]),
        ];
        table.row_with(1, Some(tone), row);
        details.extend(refusals(proxy));
    }
    for name in away {
        let row = [name.as_str(), "not connected", "-", "-", "-", "-", "-", "-", "-"];
        table.row_with(1, Some(Tone::Bad), row);
    }
    let config = &status["config"];
    let mut text =
        format!("Revision {} is in force since {}\n\n", config["revision"], cell(&config["since"]));
    text.push_str(&if table.is_empty() { "there are no proxies".to_owned() } else { table.render(terminal) });
    for detail in details {
        text.push_str(&format!("\n{}", terminal.paint(Tone::Bad, &detail)));
    }
    let refused = items(&problems["refused"]);
    if !refused.is_empty() {
        let errors = refused.iter().filter(|one| one["severity"] == "error");
        let first: Vec<String> =
            errors.clone().take(3).map(|one| format!("  {}", cell(&one["text"]))).collect();
        let found = count(errors.count(), "error");
        let line = format!("\nThe files as they are now are not in force: {found}\n{}", first.join("\n"));
        text.push_str(&terminal.paint(Tone::Bad, &line));
    }
    text
}

/// `12`: responses that were accepted; `NACK` and how many.
fn of_type(report: &Value) -> String {
    if report.is_null() {
        return "-".to_owned();
    }
    match (report["synced"] == true, report["last_nack"].is_null()) {
        (true, _) => "ACK".to_owned(),
        (false, false) => "NACK".to_owned(),
        (false, true) => "sent".to_owned(),
    }
}

fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 120_000.0 => format!("{:.0} s", ms / 1_000.0),
        ms => format!("{:.0} min", ms / 60_000.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_proxy_has_a_line_and_every_refusal_its_reason() {
        let types = json!({"CDS": {"synced": true, "last_nack": null}, "RDS": {"synced": false, "last_nack": {"message": "bad"}}});
        let stream =
            json!({"types": types, "connected_since": "2026-11-27T10:00:00Z", "user_agent": "ripstop 0.1.0"});
        let status = json!({
            "config": {"revision": 7, "since": "2026-11-27T10:01:00Z"},
            "proxies": [{
                "namespace": "default", "workload": "ingress", "state": "refused", "changed_in": 7, "waiting_ms": 3.0,
                "refusals": [{"type": "RDS", "message": "bad", "places": []}], "streams": [stream],
            }],
        });
        let text =
            render(&Terminal::plain(), &status, &["user-1.default".to_owned()], &json!({"refused": []}));
        let expected = "Revision 7 is in force since 2026-11-27T10:01:00Z

PROXY            STATE          REVISION  CDS  EDS  LDS  RDS   CONNECTED SINCE       SOFTWARE
ingress.default  refused        7         ACK  -    -    NACK  2026-11-27T10:00:00Z  ripstop 0.1.0
user-1.default   not connected  -         -    -    -    -     -                     -
  ingress.default refuses RDS: bad";
        assert_eq!(text, expected);
        assert_eq!(
            (duration(3.4), duration(4_200.0), duration(600_000.0)),
            ("3 ms".into(), "4 s".into(), "10 min".into())
        );
    }
}
