//! `/stats` and `/stats/prometheus`.

use std::sync::atomic::Ordering;

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, text};

use super::{Inspector, Mesh};
use crate::stats::prometheus::Text;

/// The Prometheus text.
pub fn prometheus(inspector: &Inspector, _: &Query) -> Answer {
    text(StatusCode::OK, exposition(inspector))
}

/// The same counters, one `name{tags}: value` a line, without the commentary.
pub fn plain(inspector: &Inspector, query: &Query) -> Answer {
    let filter = query.get("filter").unwrap_or_default();
    let mut out = String::new();
    for line in exposition(inspector).lines().filter(|line| !line.starts_with('#') && line.contains(filter)) {
        if let Some((name, value)) = line.rsplit_once(' ') {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push('\n');
        }
    }
    text(StatusCode::OK, out)
}

fn exposition(inspector: &Inspector) -> String {
    let mut out = Text::default();
    let missing = inspector.ready.missing();
    let generation = inspector.applied.borrow().generation.clone();
    out.gauge("envoy_server_live", u64::from(missing.is_empty()));
    out.gauge("envoy_server_uptime", inspector.started.elapsed().as_secs());
    out.gauge("envoy_server_concurrency", inspector.registry.workers() as u64);
    out.gauge("ripstop_generation", generation.id);
    out.gauge("ripstop_access_log_lines_lost", inspector.lost_log_lines.load(Ordering::Relaxed));
    if let Some(status) = &inspector.xds {
        let xds = status.report();
        out.gauge("envoy_control_plane_connected_state", u64::from(xds.connected));
        out.gauge("ripstop_xds_rejected_total", xds.rejected);
    }
    if let Some(mesh) = &inspector.mesh {
        membership(&mut out, mesh);
    }
    let clusters: Vec<_> = generation.all_clusters().collect();
    let family =
        |out: &mut Text, name: &str, value: &dyn Fn(&crate::generation::cluster::ActiveCluster) -> u64| {
            let values = clusters.iter().map(|cluster| (&**cluster.name(), value(cluster)));
            out.family(name, "gauge", "envoy_cluster_name", values);
        };
    family(&mut out, "envoy_cluster_membership_total", &|c| c.hosts.len() as u64);
    family(&mut out, "envoy_cluster_membership_healthy", &|c| c.hosts.available() as u64);
    family(&mut out, "envoy_cluster_outlier_detection_ejections_active", &|c| {
        c.hosts.entries().iter().filter(|entry| entry.host.is_ejected()).count() as u64
    });
    family(&mut out, "envoy_cluster_upstream_rq_pending_active", &|c| {
        c.lasting.limits.under_way().pending.into()
    });
    out.tables(&inspector.registry.tables());
    out.into_string()
}

/// What only a proxy with a control plane counts.
fn membership(out: &mut Text, mesh: &Mesh) {
    let agent = mesh.agent.borrow().clone();
    out.gauge("ripstop_certificates_issued", agent.issued);
    out.gauge("ripstop_certificate_renewal_failures", agent.failures.into());
    if let Some(svid) = mesh.identity.svid() {
        let left = svid.not_after().duration_since(std::time::SystemTime::now()).unwrap_or_default();
        out.gauge("ripstop_certificate_seconds_left", left.as_secs());
    }
}
