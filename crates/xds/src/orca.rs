//! Load reports in their binary form, `xds.data.orca.v3.OrcaLoadReport` in base64. Their other forms are text.

use std::collections::HashMap;

use prost::Message;
use ripstop_model::load_report::LoadReport;

use crate::binder::base64;

/// `xds.data.orca.v3.OrcaLoadReport`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(double, tag = "1")]
    cpu_utilization: f64,
    #[prost(map = "string, double", tag = "5")]
    utilization: HashMap<String, f64>,
    #[prost(double, tag = "6")]
    rps_fractional: f64,
    #[prost(double, tag = "7")]
    eps: f64,
    #[prost(map = "string, double", tag = "8")]
    named_metrics: HashMap<String, f64>,
    #[prost(double, tag = "9")]
    application_utilization: f64,
}

/// Reads a report; `None`: it is none.
pub fn from_base64(text: &str) -> Option<LoadReport> {
    let wire = Wire::decode(base64::decode(text)?.as_slice()).ok()?;
    let mut report = LoadReport {
        cpu_utilization: wire.cpu_utilization,
        application_utilization: wire.application_utilization,
        requests_per_second: wire.rps_fractional,
        errors_per_second: wire.eps,
        named: Vec::new(),
    };
    for (prefix, numbers) in [("named_metrics", wire.named_metrics), ("utilization", wire.utilization)] {
        numbers.iter().for_each(|(name, value)| report.set(&format!("{prefix}.{name}"), *value));
    }
    Some(report)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let wire = Wire {
            cpu_utilization: 0.5,
            rps_fractional: 100.0,
            named_metrics: [("queue".to_owned(), 3.0)].into(),
            ..Wire::default()
        };
        let report = from_base64(&base64::encode(&wire.encode_to_vec())).unwrap();
        let named = vec![("named_metrics.queue".to_owned(), 3.0)];
        let expected =
            LoadReport { cpu_utilization: 0.5, requests_per_second: 100.0, named, ..LoadReport::default() };
        assert_eq!(report, expected);
        assert_eq!(from_base64("?"), None);
        assert_eq!(from_base64(&base64::encode(&[9])), None);
    }
}
