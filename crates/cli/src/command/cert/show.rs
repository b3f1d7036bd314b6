//! What `ripstop cert` prints for people.

use serde_json::Value;

use crate::terminal::{Terminal, Tone};

/// The whole.
pub fn status(terminal: &Terminal, document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let ca = match document["ca"].as_str() {
        Some("own") => "the mesh's own",
        _ => "the user's, in files",
    };
    let mut lines = vec![
        format!("Trust domain  {}", text(&document["trust_domain"])),
        format!("CA            {ca}"),
        format!(
            "Issuer        {} until {}",
            short(&document["issuer"]["key_id"]),
            text(&document["issuer"]["not_after"])
        ),
    ];
    for root in document["roots"].as_array().into_iter().flatten() {
        let role = if root["signs"] == true { "signs" } else { "trusted" };
        lines.push(format!(
            "Root          {} until {} ({role})",
            short(&root["sha256"]),
            text(&root["not_after"])
        ));
    }
    let federated: Vec<&str> =
        document["federated"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !federated.is_empty() {
        lines.push(format!("Federated     {}", federated.join(", ")));
    }
    lines.push(format!("Replacing     {}", rotation(&document["rotation"])));
    if let Some(error) = document["last_error"].as_str() {
        lines.push(terminal.paint(Tone::Bad, &format!("Problem       {error}")));
    }
    lines.push(String::new());
    lines.push(proxies(terminal, document));
    lines.join("\n")
}

/// What is being replaced, in one line.
pub fn rotation(rotation: &Value) -> String {
    let (Some(what), Some(phase)) = (rotation["what"].as_str(), rotation["phase"].as_str()) else {
        return "nothing".to_owned();
    };
    let waiting: Vec<&str> =
        rotation["waiting"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let first = waiting.first().map(|one| format!(": {one}")).unwrap_or_default();
    let more = match waiting.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("the {what}, phase `{phase}`{first}{more}")
}

fn proxies(terminal: &Terminal, document: &Value) -> String {
    let proxies = document["proxies"].as_array().map(Vec::as_slice).unwrap_or_default();
    if proxies.is_empty() {
        return "No proxy follows the authority.".to_owned();
    }
    let head = ["PROXY", "IDENTITY", "CERTIFICATE UNTIL", "ISSUER", "ROOTS"].map(str::to_owned);
    let row = |proxy: &Value| {
        let text = |key: &str| proxy[key].as_str().unwrap_or("-").to_owned();
        let current = |key: &str| if proxy[key] == true { "current" } else { "old" }.to_owned();
        let name = text("instance");
        let name = name.split('~').nth(2).map_or(name.clone(), str::to_owned);
        let roots = match (proxy["connected"] == true, proxy["error"].as_str()) {
            (false, _) => "gone".to_owned(),
            (true, Some(error)) => format!("refused: {error}"),
            (true, None) => current("trust_is_current"),
        };
        [name, text("id"), text("not_after"), current("issuer_is_current"), roots]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(proxies.iter().map(row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |(at, row): (usize, &[String; 5])| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let text = cells.join("  ").trim_end().to_owned();
        if at == 0 { terminal.paint(Tone::Strong, &text) } else { text }
    };
    rows.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// One proxy.
pub fn proxy(terminal: &Terminal, proxy: &Value, document: &Value) -> String {
    let text = |key: &str| proxy[key].as_str().unwrap_or("-").to_owned();
    let marked = |key: &str, good: &str, bad: &str| match proxy[key] == true {
        true => terminal.paint(Tone::Good, good),
        false => terminal.paint(Tone::Warning, bad),
    };
    let mut lines = vec![
        format!("Proxy         {}", text("instance")),
        format!("Identity      {}", text("id")),
        format!("Address       {}", text("address")),
        format!("Connected     {}", marked("connected", "yes", "no, and its certificate may still be good")),
        format!("Certificate   serial {} until {}", text("serial"), text("not_after")),
        format!(
            "Issuer        {} ({})",
            short(&proxy["issued_by"]),
            marked("issuer_is_current", "the one that signs", "an old one")
        ),
        format!(
            "Trusts        version {} ({})",
            text("trusts"),
            marked("trust_is_current", "what is announced", "not what is announced")
        ),
    ];
    if proxy["trust_is_current"] != true {
        lines.push(format!("Announced     version {}", document["trust_version"].as_str().unwrap_or("-")));
    }
    if let Some(error) = proxy["error"].as_str() {
        lines.push(terminal.paint(Tone::Bad, &format!("Refused       {error}")));
    }
    lines.join("\n")
}

/// The beginning of a long hexadecimal number.
fn short(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), |text| text.chars().take(16).collect())
}
