//! What endpoints say of their load in headers or trailers of answers (ORCA): `endpoint-load-metrics-bin`, or
//! `endpoint-load-metrics` with a word for its form.

use std::time::Instant;

use http::HeaderMap;
use ripstop_model::LbPolicy;
use ripstop_model::load_report::LoadReport;
use ripstop_policy::host::HostEntry;
use ripstop_xds::orca;
use serde_json::Value;

use crate::generation::cluster::ActiveCluster;

const BINARY: &str = "endpoint-load-metrics-bin";
const ANY_FORM: &str = "endpoint-load-metrics";

/// Takes note of the report, where the cluster balances by it.
pub fn look_at(cluster: &ActiveCluster, entry: &HostEntry, headers: &HeaderMap) {
    let lb = &cluster.config.lb;
    let LbPolicy::ClientWeighted(policy) = &lb.policy else { return };
    let Some(report) = read(headers) else { return };
    entry.host.record_load(&report, policy, &lb.utilization_metrics, Instant::now());
}

fn read(headers: &HeaderMap) -> Option<LoadReport> {
    let text = |name| headers.get(name)?.to_str().ok();
    if let Some(binary) = text(BINARY) {
        return orca::from_base64(binary);
    }
    let (form, report) = text(ANY_FORM)?.split_once(' ')?;
    match form {
        "TEXT" => Some(from_text(report)),
        "JSON" => from_json(report),
        "BIN" => orca::from_base64(report),
        _ => None,
    }
}

/// `cpu_utilization=0.5, rps_fractional=10`. Pairs that are none are left out.
fn from_text(text: &str) -> LoadReport {
    let mut report = LoadReport::default();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    for (name, value) in pairs.filter_map(|(name, value)| Some((name.trim(), value.trim().parse().ok()?))) {
        report.set(name, value);
    }
    report
}

fn from_json(text: &str) -> Option<LoadReport> {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return None };
    let mut report = LoadReport::default();
    for (name, value) in &fields {
        match value {
            Value::Number(number) => report.set(name, number.as_f64()?),
            Value::Object(numbers) => {
                let numbers = numbers.iter().filter_map(|(key, value)| Some((key, value.as_f64()?)));
                numbers.for_each(|(key, value)| report.set(&format!("{name}.{key}"), value));
            }
            _ => {}
        }
    }
    Some(report)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_report_is_read_in_each_form() {
        let named = vec![("named_metrics.queue".to_owned(), 3.0)];
        let expected =
            LoadReport { cpu_utilization: 0.5, requests_per_second: 100.0, named, ..LoadReport::default() };
        let check = |name: &'static str, value: &str, expected: Option<&LoadReport>| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            assert_eq!(read(&headers).as_ref(), expected, "{name}: {value}");
        };
        let text = "TEXT cpu_utilization=0.5, rps_fractional = 100,named_metrics.queue=3,other=1,bad,eps=x";
        check(ANY_FORM, text, Some(&expected));
        let json = r#"JSON {"cpu_utilization": 0.5, "rps_fractional": 100, "named_metrics": {"queue": 3}}"#;
        check(ANY_FORM, json, Some(&expected));
        let half = LoadReport { cpu_utilization: 0.5, ..LoadReport::default() };
        check(BINARY, "CQAAAAAAAOA/", Some(&half));
        check(ANY_FORM, "BIN CQAAAAAAAOA/", Some(&half));
        for none in ["JSON [1]", "JSON {", "XML <a/>", "TEXT"] {
            check(ANY_FORM, none, None);
        }
    }
}
