//! The counters as Prometheus text, by Envoy's names and tags.

use std::fmt::Write;

use super::cell::{Cell, StatusCounts};
use super::cluster::ClusterStats;
use super::health::HEALTH;
use super::histogram::{BOUNDS_MS, Histogram, Merged};
use super::http::HttpStats;
use super::listener::ListenerStats;
use super::per_worker::PerWorker;
use super::registry::Tables;
use ripstop_identity::verify::REASONS;

use super::ssl::{CIPHERS, CURVES, VERSIONS};

/// Writes metric families one after the other.
#[derive(Default)]
pub struct Text {
    out: String,
}

/// Whether a cell only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does.
    Counter,
    /// It may fall.
    Gauge,
}

/// The name of a cell, and where it is in its block.
pub(super) type Field<T> = (&'static str, Kind, fn(&T) -> &Cell);

pub(super) const CLUSTER: &[Field<ClusterStats>] = &[
    ("upstream_cx_total", Kind::Counter, |s| &s.cx_total),
    ("upstream_cx_active", Kind::Gauge, |s| &s.cx_active),
    ("upstream_cx_destroy", Kind::Counter, |s| &s.cx_destroy),
    ("upstream_cx_rx_bytes_total", Kind::Counter, |s| &s.cx_rx_bytes),
    ("upstream_cx_tx_bytes_total", Kind::Counter, |s| &s.cx_tx_bytes),
    ("upstream_cx_idle_timeout", Kind::Counter, |s| &s.cx_idle_timeout),
    ("upstream_rq_pending_total", Kind::Counter, |s| &s.rq_pending_total),
    ("upstream_cx_connect_fail", Kind::Counter, |s| &s.cx_connect_fail),
    ("upstream_cx_connect_attempts_exceeded", Kind::Counter, |s| &s.cx_connect_attempts_exceeded),
    ("upstream_cx_connect_timeout", Kind::Counter, |s| &s.cx_connect_timeout),
    ("ssl_fail_verify_error", Kind::Counter, |s| &s.ssl_fail_verify_error),
    ("ssl_fail_verify_san", Kind::Counter, |s| &s.ssl_fail_verify_san),
    ("upstream_cx_overflow", Kind::Counter, |s| &s.cx_overflow),
    ("upstream_cx_http1_total", Kind::Counter, |s| &s.cx_http1_total),
    ("upstream_cx_http2_total", Kind::Counter, |s| &s.cx_http2_total),
    ("upstream_cx_none_healthy", Kind::Counter, |s| &s.cx_none_healthy),
    ("upstream_rq_total", Kind::Counter, |s| &s.rq_total),
    ("upstream_rq_active", Kind::Gauge, |s| &s.rq_active),
    ("upstream_rq_pending_overflow", Kind::Counter, |s| &s.rq_pending_overflow),
    ("upstream_rq_timeout", Kind::Counter, |s| &s.rq_timeout),
    ("upstream_rq_per_try_idle_timeout", Kind::Counter, |s| &s.rq_per_try_idle_timeout),
    ("upstream_rq_per_try_timeout", Kind::Counter, |s| &s.rq_per_try_timeout),
    ("upstream_rq_rx_reset", Kind::Counter, |s| &s.rq_rx_reset),
    ("upstream_rq_cancelled", Kind::Counter, |s| &s.rq_cancelled),
    ("upstream_rq_retry", Kind::Counter, |s| &s.rq_retry),
    ("upstream_rq_retry_success", Kind::Counter, |s| &s.rq_retry_success),
    ("upstream_rq_retry_overflow", Kind::Counter, |s| &s.rq_retry_overflow),
    ("upstream_rq_retry_limit_exceeded", Kind::Counter, |s| &s.rq_retry_limit_exceeded),
    ("upstream_rq_retry_body_too_large", Kind::Counter, |s| &s.rq_retry_body_too_large),
    ("retry_or_shadow_abandoned", Kind::Counter, |s| &s.rq_retry_or_shadow_abandoned),
    ("upstream_rq_retry_backoff_exponential", Kind::Counter, |s| &s.rq_retry_backoff_exponential),
    ("upstream_rq_retry_backoff_ratelimited", Kind::Counter, |s| &s.rq_retry_backoff_ratelimited),
    ("upstream_rq_breaker_open", Kind::Counter, |s| &s.rq_breaker_open),
    ("upstream_rq_breaker_fallback", Kind::Counter, |s| &s.rq_breaker_fallback),
    ("breaker_opened", Kind::Counter, |s| &s.breaker_opened),
    ("breaker_half_opened", Kind::Counter, |s| &s.breaker_half_opened),
    ("breaker_closed", Kind::Counter, |s| &s.breaker_closed),
    ("upstream_rq_mirror_lost", Kind::Counter, |s| &s.rq_mirror_lost),
    ("lb_healthy_panic", Kind::Counter, |s| &s.lb_healthy_panic),
];

pub(super) const HTTP: &[Field<HttpStats>] = &[
    ("downstream_cx_total", Kind::Counter, |s| &s.cx_total),
    ("downstream_cx_active", Kind::Gauge, |s| &s.cx_active),
    ("downstream_cx_http1_total", Kind::Counter, |s| &s.cx_http1_total),
    ("downstream_cx_http2_total", Kind::Counter, |s| &s.cx_http2_total),
    ("downstream_cx_http1_active", Kind::Gauge, |s| &s.cx_http1_active),
    ("downstream_cx_http2_active", Kind::Gauge, |s| &s.cx_http2_active),
    ("downstream_cx_destroy", Kind::Counter, |s| &s.cx_destroy),
    ("downstream_cx_ssl_total", Kind::Counter, |s| &s.cx_ssl_total),
    ("downstream_cx_ssl_active", Kind::Gauge, |s| &s.cx_ssl_active),
    ("downstream_cx_rx_bytes_total", Kind::Counter, |s| &s.cx_rx_bytes),
    ("downstream_cx_tx_bytes_total", Kind::Counter, |s| &s.cx_tx_bytes),
    ("downstream_cx_idle_timeout", Kind::Counter, |s| &s.cx_idle_timeout),
    ("downstream_cx_max_duration_reached", Kind::Counter, |s| &s.cx_max_duration_reached),
    ("downstream_cx_drain_close", Kind::Counter, |s| &s.cx_drain_close),
    ("downstream_cx_protocol_error", Kind::Counter, |s| &s.cx_protocol_error),
    ("downstream_rq_total", Kind::Counter, |s| &s.rq_total),
    ("downstream_rq_active", Kind::Gauge, |s| &s.rq_active),
    ("downstream_rq_http1_total", Kind::Counter, |s| &s.rq_http1_total),
    ("downstream_rq_http2_total", Kind::Counter, |s| &s.rq_http2_total),
    ("downstream_rq_rx_reset", Kind::Counter, |s| &s.rq_rx_reset),
    ("downstream_rq_idle_timeout", Kind::Counter, |s| &s.rq_idle_timeout),
    ("downstream_rq_max_duration_reached", Kind::Counter, |s| &s.rq_max_duration_reached),
    ("downstream_cx_upgrades_total", Kind::Counter, |s| &s.cx_upgrades_total),
    ("downstream_cx_upgrades_active", Kind::Gauge, |s| &s.cx_upgrades_active),
    ("downstream_rq_ws_on_non_ws_route", Kind::Counter, |s| &s.rq_ws_on_non_ws_route),
    ("downstream_rq_failed_path_normalization", Kind::Counter, |s| &s.rq_failed_path),
    ("downstream_rq_redirected_with_normalized_path", Kind::Counter, |s| &s.rq_redirected_path),
    ("requests_rejected_with_underscores_in_headers", Kind::Counter, |s| &s.rq_underscore),
    ("dropped_headers_with_underscores", Kind::Counter, |s| &s.headers_underscore),
    ("admission_control.rq_rejected", Kind::Counter, |s| &s.rq_admission_denied),
    ("adaptive_concurrency.gradient_controller.rq_blocked", Kind::Counter, |s| &s.rq_concurrency_exceeded),
    ("cors.origin_valid", Kind::Counter, |s| &s.cors_origin_valid),
    ("cors.origin_invalid", Kind::Counter, |s| &s.cors_origin_invalid),
    ("fault.aborts_injected", Kind::Counter, |s| &s.faults.aborts),
    ("fault.delays_injected", Kind::Counter, |s| &s.faults.delays),
    ("fault.response_rl_injected", Kind::Counter, |s| &s.faults.answers_slowed),
    ("fault.faults_overflow", Kind::Counter, |s| &s.faults.overflow),
    ("fault.active_faults", Kind::Gauge, |s| &s.faults.active),
    ("no_route", Kind::Counter, |s| &s.no_route),
    ("no_cluster", Kind::Counter, |s| &s.no_cluster),
];

pub(super) const LISTENER: &[Field<ListenerStats>] = &[
    ("downstream_cx_total", Kind::Counter, |s| &s.cx_total),
    ("downstream_cx_active", Kind::Gauge, |s| &s.cx_active),
    ("downstream_cx_overflow", Kind::Counter, |s| &s.cx_overflow),
    ("downstream_cx_destroy", Kind::Counter, |s| &s.cx_destroy),
    ("downstream_global_cx_overflow", Kind::Counter, |s| &s.global_cx_overflow),
    ("downstream_pre_cx_active", Kind::Gauge, |s| &s.pre_cx_active),
    ("downstream_listener_filter_remote_close", Kind::Counter, |s| &s.filter_remote_close),
    ("downstream_listener_filter_error", Kind::Counter, |s| &s.filter_error),
    ("downstream_cx_transport_socket_connect_timeout", Kind::Counter, |s| &s.handshake_timeout),
    ("no_filter_chain_match", Kind::Counter, |s| &s.no_filter_chain_match),
    ("downstream_pre_cx_timeout", Kind::Counter, |s| &s.pre_cx_timeout),
    ("ssl_handshake", Kind::Counter, |s| &s.ssl_handshake),
    ("ssl_connection_error", Kind::Counter, |s| &s.ssl_connection_error),
    ("ssl_fail_verify_no_cert", Kind::Counter, |s| &s.ssl_fail_verify_no_cert),
    ("ssl_fail_verify_error", Kind::Counter, |s| &s.ssl_fail_verify_error),
    ("ssl_fail_verify_san", Kind::Counter, |s| &s.ssl_fail_verify_san),
    ("ssl_fail_verify_cert_hash", Kind::Counter, |s| &s.ssl_fail_verify_cert_hash),
    ("ssl_no_certificate", Kind::Counter, |s| &s.ssl_no_certificate),
    ("ssl_session_reused", Kind::Counter, |s| &s.ssl_session_reused),
    ("server_ssl_socket_factory_downstream_context_secrets_not_ready", Kind::Counter, |s| {
        &s.secrets_not_ready
    }),
];

impl Text {
    /// Everything in `tables`.
    pub fn tables(&mut self, tables: &Tables) {
        let clusters: Vec<_> = tables.clusters.iter().map(|(name, block)| (&**name, &**block)).collect();
        self.fields("envoy_cluster_", "envoy_cluster_name", CLUSTER, &clusters);
        self.statuses("envoy_cluster_upstream_rq", "envoy_cluster_name", &clusters, |s| &s.rq_status);
        let tag = "envoy_cluster_name";
        self.times("envoy_cluster_upstream_rq_time", tag, &clusters, |s| &s.rq_time);
        self.times("envoy_cluster_upstream_cx_connect_ms", tag, &clusters, |s| &s.cx_connect_ms);
        self.times("envoy_cluster_upstream_cx_length_ms", tag, &clusters, |s| &s.cx_length_ms);
        self.grpc(&clusters, |s| &s.grpc);

        let health: Vec<_> = tables.health.iter().map(|(name, block)| (&**name, &**block)).collect();
        self.fields("envoy_cluster_", "envoy_cluster_name", &HEALTH, &health);

        let http: Vec<_> = tables.http.iter().map(|(name, block)| (&**name, &**block)).collect();
        let prefix = "envoy_http_conn_manager_prefix";
        self.fields("envoy_http_", prefix, HTTP, &http);
        self.faults(&http, |s| &s.faults);
        self.statuses("envoy_http_downstream_rq", prefix, &http, |s| &s.rq_status);
        self.times("envoy_http_downstream_rq_time", prefix, &http, |s| &s.rq_time);
        self.times("envoy_http_downstream_cx_length_ms", prefix, &http, |s| &s.cx_length_ms);

        let listeners: Vec<_> = tables.listeners.iter().map(|(name, block)| (&**name, &**block)).collect();
        self.fields("envoy_listener_", "envoy_listener_address", LISTENER, &listeners);
        let tag = "envoy_listener_address";
        self.times("envoy_listener_downstream_cx_length_ms", tag, &listeners, |s| &s.cx_length_ms);
        self.connections(&tables.connections);
        self.kinds("versions", "envoy_ssl_version", &VERSIONS, &listeners, |s| &s.ssl_kinds.versions);
        self.kinds("ciphers", "envoy_ssl_cipher", &CIPHERS, &listeners, |s| &s.ssl_kinds.ciphers);
        self.kinds("curves", "envoy_ssl_curve", &CURVES, &listeners, |s| &s.ssl_kinds.curves);
        self.kinds("fail_verify_reason", "reason", &REASONS, &listeners, |s| &s.ssl_kinds.refused);
    }

    /// One gauge without tags.
    pub fn gauge(&mut self, name: &str, value: u64) {
        let _ = writeln!(self.out, "# TYPE {name} gauge\n{name}{{}} {value}");
    }

    /// One value of a counter; tags without a value are left out.
    pub fn counter(&mut self, name: &str, tags: &[(&str, &str)], value: u64) {
        let shown = tags.iter().filter(|(_, value)| !value.is_empty());
        let tags: Vec<String> = shown.map(|(tag, value)| format!("{tag}=\"{}\"", Escaped(value))).collect();
        let kind = format!("# TYPE {name} counter\n");
        if !self.out.contains(&kind) {
            self.out.push_str(&kind);
        }
        let _ = writeln!(self.out, "{name}{{{}}} {value}", tags.join(","));
    }

    /// One gauge or counter family with a value for each tag value.
    pub fn family<'a>(
        &mut self,
        name: &str,
        kind: &str,
        tag: &str,
        values: impl Iterator<Item = (&'a str, u64)>,
    ) {
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        for (label, value) in values {
            let _ = writeln!(self.out, "{name}{{{tag}=\"{}\"}} {value}", Escaped(label));
        }
    }

    /// One gauge or counter family with several tags for each value.
    pub fn tagged<'a>(
        &mut self,
        name: &str,
        kind: &str,
        values: impl Iterator<Item = (&'a Vec<(&'a str, String)>, u64)>,
    ) {
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        for (tags, value) in values {
            let tags: Vec<String> =
                tags.iter().map(|(tag, value)| format!("{tag}=\"{}\"", Escaped(value))).collect();
            let _ = writeln!(self.out, "{name}{{{}}} {value}", tags.join(","));
        }
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.out
    }

    pub(super) fn fields<T: Default>(
        &mut self,
        prefix: &str,
        tag: &str,
        fields: &[Field<T>],
        blocks: &[(&str, &PerWorker<T>)],
    ) {
        for (name, kind, cell) in fields {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let values = blocks.iter().map(|(label, block)| (*label, block.sum(|s| cell(s).get())));
            self.family(&format!("{prefix}{}", name.replace('.', "_")), kind, tag, values);
        }
    }

    /// Handshakes of listeners by kind; what never happened is not shown.
    fn kinds(
        &mut self,
        family: &str,
        tag: &str,
        kinds: &[&str],
        blocks: &[(&str, &PerWorker<ListenerStats>)],
        cells: fn(&ListenerStats) -> &[Cell],
    ) {
        let name = format!("envoy_listener_ssl_{family}");
        let _ = writeln!(self.out, "# TYPE {name} counter");
        for (label, block) in blocks {
            let label = Escaped(label);
            for (index, kind) in kinds.iter().enumerate() {
                let count = block.sum(|s| cells(s).get(index).map_or(0, Cell::get));
                if count > 0 {
                    let tags = format_args!("envoy_listener_address=\"{label}\",{tag}=\"{kind}\"");
                    let _ = writeln!(self.out, "{name}{{{tags}}} {count}");
                }
            }
        }
    }

    fn statuses<T: Default>(
        &mut self,
        name: &str,
        tag: &str,
        blocks: &[(&str, &PerWorker<T>)],
        statuses: fn(&T) -> &StatusCounts,
    ) {
        let mut by_code = format!("# TYPE {name} counter\n");
        let mut by_class = format!("# TYPE {name}_xx counter\n");
        for (label, block) in blocks {
            let label = Escaped(label);
            let mut codes = std::collections::BTreeMap::<u16, u64>::new();
            for (code, count) in block.iter().flat_map(|s| statuses(s).counts()) {
                *codes.entry(code).or_default() += count;
            }
            let mut classes = [0; 6];
            for (code, count) in codes {
                let _ =
                    writeln!(by_code, "{name}{{{tag}=\"{label}\",envoy_response_code=\"{code}\"}} {count}");
                classes[usize::from(code / 100).min(5)] += count;
            }
            for (class, count) in classes.iter().enumerate().skip(1).filter(|(_, count)| **count > 0) {
                let _ = writeln!(
                    by_class,
                    "{name}_xx{{{tag}=\"{label}\",envoy_response_code_class=\"{class}\"}} {count}"
                );
            }
        }
        self.out.push_str(&by_code);
        self.out.push_str(&by_class);
    }

    fn times<T: Default>(
        &mut self,
        name: &str,
        tag: &str,
        blocks: &[(&str, &PerWorker<T>)],
        histogram: fn(&T) -> &Histogram,
    ) {
        let _ = writeln!(self.out, "# TYPE {name} histogram");
        for (label, block) in blocks {
            let label = Escaped(label);
            let mut merged = Merged::default();
            block.iter().for_each(|s| histogram(s).merge_into(&mut merged));
            if merged.count() == 0 {
                continue;
            }
            let mut cumulative = 0;
            for (bound, count) in BOUNDS_MS.iter().zip(merged.buckets) {
                cumulative += count;
                let _ = writeln!(self.out, "{name}_bucket{{{tag}=\"{label}\",le=\"{bound}\"}} {cumulative}");
            }
            let count = merged.count();
            let sum_ms = merged.sum_us as f64 / 1000.0;
            let _ = writeln!(self.out, "{name}_bucket{{{tag}=\"{label}\",le=\"+Inf\"}} {count}");
            let _ = writeln!(self.out, "{name}_sum{{{tag}=\"{label}\"}} {sum_ms}");
            let _ = writeln!(self.out, "{name}_count{{{tag}=\"{label}\"}} {count}");
        }
    }
}

/// A label value with what Prometheus wants escaped.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::registry::Registry;
    use std::time::Duration;

    #[test]
    fn names_and_tags_are_envoys() {
        let registry = Registry::new(2);
        let cluster = registry.cluster(&"a\"b".into());
        for worker in 0..2 {
            cluster.of(worker).rq_total.inc();
            cluster.of(worker).rq_status.inc(503);
            cluster.of(worker).rq_time.record(Duration::from_millis(3));
        }
        let listener = registry.listener("127.0.0.1:80");
        listener.of(0).cx_total.inc();
        let mut text = Text::default();
        text.tables(&registry.tables());
        let text = text.into_string();
        for line in [
            "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"a\\\"b\"} 2",
            "envoy_cluster_upstream_rq{envoy_cluster_name=\"a\\\"b\",envoy_response_code=\"503\"} 2",
            "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"a\\\"b\",envoy_response_code_class=\"5\"} 2",
            "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\\\"b\",le=\"1\"} 0",
            "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"a\\\"b\",le=\"5\"} 2",
            "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"a\\\"b\"} 6",
            "envoy_listener_downstream_cx_total{envoy_listener_address=\"127.0.0.1_80\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
