//! `ripstop explain`: what the mesh would do with a request, and why.

use clap::Args;
use serde_json::{Value, json};

use crate::api::change::place;
use crate::api::{self, ApiArgs};
use crate::failure::Failure;
use crate::output::{Output, cell, items};
use crate::terminal::{Terminal, Tone};

/// Show what the mesh would do with a request, and why
///
/// Every decision in its order, with the resource and the line that it comes from: the
/// listener, the virtual host, each route that was looked at and why it was passed over,
/// where the request goes, and what the proxy there makes of it. Nothing is sent.
///
///   ripstop explain http://127.0.0.1:10000/api/users
///   ripstop explain --from cart-1 -X POST -H 'x-user: ada' http://users/list
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ExplainArgs {
    /// The URL, as it stands in the request
    #[arg(value_name = "URL")]
    url: String,
    /// Who sends it, as WORKLOAD or WORKLOAD.NAMESPACE; by default the only gateway takes it
    #[arg(long, value_name = "WORKLOAD")]
    from: Option<String>,
    /// Method
    #[arg(short = 'X', long, default_value = "GET", value_name = "METHOD")]
    method: String,
    /// A header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Port of the proxy that the request comes to, if it has several
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// Explains.
///
/// # Errors
/// The control plane does not answer, or the request cannot be placed.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let mut headers = Vec::new();
    for header in &args.headers {
        let Some((name, value)) = header.split_once(':') else {
            return Err(Failure::new(format_args!("`{header}` is not a header"))
                .with_help("write it as 'name: value'"));
        };
        headers.push(json!({"name": name.trim(), "value": value.trim()}));
    }
    let question = json!({
        "url": args.url,
        "from": args.from,
        "method": args.method,
        "headers": headers,
        "listener_port": args.port,
    });
    let client = args.api.client()?;
    let explanation = api::run(client.post("/api/v1/explain", &question))?;
    let terminal = Terminal::stdout();
    if !args.output.show(&terminal, &explanation) {
        terminal.text(&render(&terminal, &explanation));
    }
    Ok(())
}

/// Lines under headings.
struct Lines<'a> {
    terminal: &'a Terminal,
    text: String,
}

impl Lines<'_> {
    fn heading(&mut self, text: &str) {
        self.text.push_str(&format!("{}\n", self.terminal.paint(Tone::Strong, text)));
    }

    fn line(&mut self, depth: usize, text: &str, place: &Value) {
        self.text.push_str(&" ".repeat(2 * depth));
        self.text.push_str(text);
        if !place.is_null() {
            let place = format!("  [{}]", self::place(place));
            self.text.push_str(&self.terminal.paint(Tone::Faint, &place));
        }
        self.text.push('\n');
    }

    fn plain(&mut self, depth: usize, text: &str) {
        self.line(depth, text, &Value::Null);
    }
}

fn render(terminal: &Terminal, explanation: &Value) -> String {
    let mut lines = Lines { terminal, text: String::new() };
    let field = |key: &str| cell(&explanation[key]);
    lines.heading(&format!("{} decides (revision {})", field("proxy"), field("revision")));
    lines.line(1, &format!("listener {}", field("listener")), &explanation["listener_place"]);
    routing(&mut lines, &explanation["routing"]);
    let decision = &explanation["decision"];
    if let Some(answer) = decision.get("answer") {
        let text = format!("answers {} itself: {}", cell(&answer["status"]), cell(&answer["why"]));
        lines.plain(1, &terminal.paint(Tone::Warning, &text));
        if !answer["location"].is_null() {
            lines.plain(1, &format!("location {}", cell(&answer["location"])));
        }
    }
    if let Some(forward) = decision.get("forward") {
        forwarding(&mut lines, forward);
    }
    lines.text
}

fn routing(lines: &mut Lines<'_>, routing: &Value) {
    if routing.is_null() {
        return;
    }
    let host = &routing["virtual_host"];
    let domains: Vec<String> = items(&host["domains"]).iter().take(4).map(cell).collect();
    let text = match host {
        Value::Null => "no virtual host has a domain for the host".to_owned(),
        host => format!("virtual host {} (for {})", cell(&host["name"]), domains.join(", ")),
    };
    lines.plain(1, &format!("routes {}: {text}", cell(&routing["configuration"])));
    for route in items(&routing["routes"]) {
        let name = match route["name"].as_str() {
            Some("") | None => "a route without a name".to_owned(),
            Some(name) => name.to_owned(),
        };
        let text = match route["why_not"].as_str() {
            Some(why) => format!("- {name}: {why}"),
            None => lines.terminal.paint(Tone::Good, &format!("> {name}: taken")),
        };
        lines.line(2, &text, &route["place"]);
    }
}

fn forwarding(lines: &mut Lines<'_>, forward: &Value) {
    let timeout = match forward["timeout_ms"].as_u64() {
        Some(ms) => format!("timeout {ms} ms"),
        None => "no timeout".to_owned(),
    };
    let path =
        if forward["path"].is_null() { String::new() } else { format!("path {}, ", cell(&forward["path"])) };
    let host =
        if forward["host"].is_null() { String::new() } else { format!("host {}, ", cell(&forward["host"])) };
    lines.plain(1, &format!("sends {path}{host}{timeout}, {}", retries(&forward["retries"])));
    let mirrors: Vec<String> = items(&forward["mirrors"]).iter().map(cell).collect();
    if !mirrors.is_empty() {
        lines.plain(1, &format!("copies go to {}", mirrors.join(", ")));
    }
    for target in items(&forward["targets"]) {
        let percent = target["percent"].as_f64().unwrap_or(0.0);
        let tls = if target["mtls"] == true { "mutual TLS" } else { "plaintext" };
        let text = format!("{percent:.4}").trim_end_matches('0').trim_end_matches('.').to_owned();
        lines.plain(
            1,
            &format!("{text} % to {}: {}, {tls}", cell(&target["cluster"]), cell(&target["balancer"])),
        );
        for place in items(&target["places"]) {
            lines.plain(2, &format!("from {}", self::place(place)));
        }
        if !target["ejection"].is_null() {
            lines.plain(2, &format!("an endpoint is left out {}", cell(&target["ejection"])));
        }
        if items(&target["candidates"]).is_empty() {
            let text = lines.terminal.paint(Tone::Bad, "no endpoint: such requests are answered 503");
            lines.plain(2, &text);
        }
        for candidate in items(&target["candidates"]) {
            self::candidate(lines, candidate);
        }
    }
}

fn retries(retries: &Value) -> String {
    if retries.is_null() {
        return "no retries".to_owned();
    }
    let on: Vec<String> = items(&retries["on"]).iter().map(cell).collect();
    let per_try = match retries["per_try_timeout_ms"].as_u64() {
        Some(ms) => format!(", {ms} ms each"),
        None => String::new(),
    };
    let only = match retries["repeats_processed"] == true {
        true => "",
        false => ", only if it was certainly not processed",
    };
    format!("up to {} retries on {}{per_try}{only}", cell(&retries["attempts"]), on.join(","))
}

fn candidate(lines: &mut Lines<'_>, candidate: &Value) {
    let field = |key: &str| cell(&candidate[key]);
    let who = if candidate["workload"].is_null() { String::new() } else { format!(" {}", field("workload")) };
    let mut text = format!("{}{who}: {}, weight {}", field("address"), field("health"), field("weight"));
    if candidate["priority"].as_u64() != Some(0) {
        text.push_str(&format!(", priority {}", field("priority")));
    }
    lines.plain(2, &text);
    let inbound = &candidate["inbound"];
    if inbound.is_null() {
        return;
    }
    let field = |key: &str| cell(&inbound[key]);
    lines.line(
        3,
        &format!("{} decides: listener {}", field("proxy"), field("listener")),
        &inbound["listener_place"],
    );
    let policy = if inbound["mtls_place"].is_null() { " (by default)" } else { "" };
    lines.line(3, &format!("mTLS {}{policy}", field("mtls")), &inbound["mtls_place"]);
    let end = match inbound["refused"].as_str() {
        Some(why) => lines.terminal.paint(Tone::Bad, &format!("refuses the connection: {why}")),
        None => format!("to the application at {}", field("application")),
    };
    lines.plain(3, &end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_a_request_is_told_in_order() {
        let vs = json!({"kind": "VirtualService", "namespace": "default", "name": "shop", "path": "spec.http[0]", "file": "t.yaml", "line": 9});
        let explanation = json!({
            "revision": 3, "proxy": "edge.default", "listener": "0.0.0.0_80", "listener_place": null,
            "routing": {"configuration": "http.80", "virtual_host": {"name": "*:80", "domains": ["*"]}, "routes": [
                {"name": "a", "taken": false, "why_not": "the path `/x` is not `/y`", "place": vs},
                {"name": "b", "taken": true, "why_not": null, "place": null},
            ]},
            "decision": {"forward": {
                "path": "/x", "host": null, "timeout_ms": 1500, "mirrors": [],
                "retries": {"attempts": 2, "on": ["5xx"], "per_try_timeout_ms": null, "repeats_processed": false},
                "targets": [{"cluster": "c", "percent": 100.0, "balancer": "RANDOM", "mtls": true, "ejection": null, "places": [], "candidates": [{
                    "address": "127.0.0.1:1", "workload": "w.default", "health": "healthy", "weight": 1, "priority": 0,
                    "inbound": {"proxy": "w.default", "listener": "l", "listener_place": null, "mtls": "STRICT", "mtls_place": null, "refused": null, "application": "127.0.0.1:2"},
                }]}],
            }},
        });
        let expected = "\
edge.default decides (revision 3)
  listener 0.0.0.0_80
  routes http.80: virtual host *:80 (for *)
    - a: the path `/x` is not `/y`  [VirtualService default/shop spec.http[0] (t.yaml:9)]
    > b: taken
  sends path /x, timeout 1500 ms, up to 2 retries on 5xx, only if it was certainly not processed
  100 % to c: RANDOM, mutual TLS
    127.0.0.1:1 w.default: healthy, weight 1
      w.default decides: listener l
      mTLS STRICT (by default)
      to the application at 127.0.0.1:2
";
        assert_eq!(render(&Terminal::plain(), &explanation), expected);
    }
}
