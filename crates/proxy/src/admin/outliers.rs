//! What outlier detection has counted of each cluster that has it, by the last part of Envoy's names.

use std::sync::Arc;

use ripstop_policy::outlier::{EjectionReason, OutlierTotals};

use crate::generation::cluster::ActiveCluster;
use crate::stats::prometheus::Text;
use crate::stats::series::{Series, Value};

/// All counters of one cluster.
fn counters(totals: &OutlierTotals) -> Vec<(String, u64)> {
    let name = |what: &str| format!("outlier_detection.ejections_{what}");
    let mut all = vec![
        (name("enforced_total"), totals.all_enforced()),
        (name("overflow"), totals.overflow()),
        // Envoy's older names, which dashboards still show.
        (name("total"), totals.found_with_room()),
        (name("consecutive_5xx"), totals.detected(EjectionReason::Consecutive5xx)),
        (name("success_rate"), totals.detected(EjectionReason::SuccessRate)),
    ];
    for reason in EjectionReason::ALL {
        all.push((name(&format!("detected_{}", reason.as_str())), totals.detected(reason)));
        all.push((name(&format!("enforced_{}", reason.as_str())), totals.enforced(reason)));
    }
    all
}

/// By dotted name.
pub(super) fn series(cluster: &ActiveCluster, all: &mut Vec<Series>) {
    let Some(detector) = &cluster.lasting.outlier else { return };
    all.extend(counters(detector.totals()).into_iter().map(|(name, value)| Series {
        name: format!("cluster.{}.{name}", cluster.name()),
        value: Value::Counter(value),
        used: value > 0,
    }));
}

/// For Prometheus: one family after the other.
pub(super) fn exposition(clusters: &[&Arc<ActiveCluster>], out: &mut Text) {
    let watched = clusters.iter().filter_map(|cluster| Some((cluster, cluster.lasting.outlier.as_ref()?)));
    let all: Vec<_> =
        watched.map(|(cluster, detector)| (&**cluster.name(), counters(detector.totals()))).collect();
    let Some((_, first)) = all.first() else { return };
    for (index, (name, _)) in first.iter().enumerate() {
        let values = all.iter().map(|(cluster, counters)| (*cluster, counters[index].1));
        let name = format!("envoy_cluster_{}", name.replace('.', "_"));
        out.family(&name, "counter", "envoy_cluster_name", values);
    }
}
