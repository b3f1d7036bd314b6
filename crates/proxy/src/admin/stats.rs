//! `/stats` and `/stats/prometheus`.

use http::StatusCode;
use regex::Regex;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Value as Json, json};

use super::Inspector;
use super::process;
use crate::stats::histogram::{BOUNDS_MS, Merged};
use crate::stats::quantile::{QUANTILES, quantile_ms};
use crate::stats::series::{Series, Value, of_tables};

/// Largest compiled expression in bytes.
const MAX_FILTER_BYTES: usize = 1 << 20;

/// Asks for the endpoints of every cluster.
const ENDPOINTS: &str = "endpoints";

/// How histograms are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Buckets {
    Quantiles,
    Cumulative,
    Disjoint,
}

/// What a query asks for.
struct Wanted {
    filter: Option<Regex>,
    used_only: bool,
    kind: Option<&'static str>,
    buckets: Buckets,
}

impl Wanted {
    fn read(query: &Query) -> Result<Wanted, String> {
        let kind = match query.get("type") {
            None | Some("" | "All") => None,
            Some("Counters") => Some("Counters"),
            Some("Gauges") => Some("Gauges"),
            Some("Histograms") => Some("Histograms"),
            Some("TextReadouts") => Some("TextReadouts"),
            Some(_) => return Err("invalid &type= param".to_owned()),
        };
        let buckets = match query.get("histogram_buckets") {
            None | Some("" | "none" | "summary") => Buckets::Quantiles,
            Some("cumulative") => Buckets::Cumulative,
            Some("disjoint") => Buckets::Disjoint,
            Some(_) => {
                return Err(
                    "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n".to_owned()
                );
            }
        };
        Ok(Wanted { filter: filter(query)?, used_only: query.has("usedonly"), kind, buckets })
    }

    fn takes(&self, series: &Series) -> bool {
        let kind = match series.value {
            Value::Counter(_) => "Counters",
            Value::Gauge(_) => "Gauges",
            Value::Histogram(_) => "Histograms",
        };
        self.kind.is_none_or(|wanted| wanted == kind)
            && (series.used || !self.used_only)
            && self.filter.as_ref().is_none_or(|filter| filter.is_match(&series.name))
    }
}

/// The expression in `filter`, which has to match a part of a name.
pub(super) fn filter(query: &Query) -> Result<Option<Regex>, String> {
    let Some(text) = query.get("filter").filter(|text| !text.is_empty()) else { return Ok(None) };
    let compiled = regex::RegexBuilder::new(text).size_limit(MAX_FILTER_BYTES).build();
    compiled.map(Some).map_err(|error| format!("Invalid re2 regex: {error}"))
}

/// By dotted name, as text or JSON.
pub fn plain(inspector: &Inspector, query: &Query) -> Answer {
    let format = query.get("format").unwrap_or_default();
    if format == "prometheus" {
        return prometheus(inspector, query);
    }
    let wanted = match Wanted::read(query) {
        Ok(wanted) => wanted,
        Err(error) => return text(StatusCode::BAD_REQUEST, error),
    };
    let mut all = of_tables(&inspector.registry.tables());
    all.extend(process::series(inspector, query.has(ENDPOINTS)));
    all.retain(|series| wanted.takes(series));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    match format {
        "" | "text" => text(StatusCode::OK, as_text(&all, wanted.buckets)),
        "json" => json(StatusCode::OK, as_json(&all, wanted.buckets).to_string()),
        _ => text(StatusCode::BAD_REQUEST, "usage: /stats?format=(json|prometheus|text)\n\n"),
    }
}

/// For Prometheus.
pub fn prometheus(inspector: &Inspector, query: &Query) -> Answer {
    let filter = match filter(query) {
        Ok(filter) => filter,
        Err(error) => return text(StatusCode::BAD_REQUEST, error),
    };
    let used_only = query.has("usedonly");
    let whole = process::exposition(inspector, query.has(ENDPOINTS));
    if filter.is_none() && !used_only {
        return text(StatusCode::OK, whole);
    }
    // A family is told when one of its values is.
    let mut out = String::new();
    let (mut head, mut is_counter) = ("", false);
    for line in whole.lines() {
        if line.starts_with('#') {
            (head, is_counter) = (line, line.ends_with(" counter"));
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let is_unused = used_only && is_counter && line.ends_with(" 0");
        if is_unused || filter.as_ref().is_some_and(|filter| !filter.is_match(name)) {
            continue;
        }
        for shown in [std::mem::take(&mut head), line].iter().filter(|line| !line.is_empty()) {
            out.push_str(shown);
            out.push('\n');
        }
    }
    text(StatusCode::OK, out)
}

fn as_text(all: &[Series], buckets: Buckets) -> String {
    let mut out = String::new();
    for series in all {
        match &series.value {
            Value::Counter(value) | Value::Gauge(value) => {
                out.push_str(&format!("{}: {value}\n", series.name));
            }
            Value::Histogram(_) => {}
        }
    }
    for series in all {
        let Value::Histogram(merged) = &series.value else { continue };
        let shown = match buckets {
            _ if merged.count() == 0 => "No recorded values".to_owned(),
            Buckets::Quantiles => quantiles_text(merged),
            Buckets::Cumulative | Buckets::Disjoint => buckets_text(merged, buckets),
        };
        out.push_str(&format!("{}: {shown}\n", series.name));
    }
    out
}

/// The value of the last interval is not kept, only that since the start.
fn quantiles_text(merged: &Merged) -> String {
    let shown = QUANTILES.map(|percent| {
        let value = quantile_ms(merged, percent).unwrap_or(f64::NAN);
        format!("P{percent}(nan,{value})")
    });
    shown.join(" ")
}

fn buckets_text(merged: &Merged, buckets: Buckets) -> String {
    let shown: Vec<String> =
        counts(merged, buckets).map(|(bound, count)| format!("B{bound}(0,{count})")).collect();
    shown.join(" ")
}

fn counts(merged: &Merged, buckets: Buckets) -> impl Iterator<Item = (f64, u64)> {
    let mut sum = 0;
    BOUNDS_MS.into_iter().zip(merged.buckets).map(move |(bound, count)| {
        sum += count;
        (bound, if buckets == Buckets::Cumulative { sum } else { count })
    })
}

fn as_json(all: &[Series], buckets: Buckets) -> Json {
    let mut stats: Vec<Json> = Vec::new();
    let mut histograms: Vec<Json> = Vec::new();
    for series in all {
        let name = &series.name;
        match &series.value {
            Value::Counter(value) | Value::Gauge(value) => {
                stats.push(json!({ "name": name, "value": value }));
            }
            Value::Histogram(merged) if buckets == Buckets::Quantiles => {
                let values = QUANTILES
                    .map(|percent| json!({ "interval": null, "cumulative": quantile_ms(merged, percent) }));
                histograms.push(json!({ "name": name, "values": values }));
            }
            Value::Histogram(merged) => {
                let list: Vec<Json> = counts(merged, buckets)
                    .map(|(bound, count)| json!({ "upper_bound": bound, "interval": 0, "cumulative": count }))
                    .collect();
                histograms.push(json!({ "name": name, "buckets": list }));
            }
        }
    }
    if !histograms.is_empty() {
        stats.push(match buckets {
            Buckets::Quantiles => json!({ "histograms": {
                "supported_quantiles": QUANTILES,
                "computed_quantiles": histograms,
            } }),
            Buckets::Cumulative | Buckets::Disjoint => json!({ "histograms": histograms }),
        });
    }
    json!({ "stats": stats })
}
