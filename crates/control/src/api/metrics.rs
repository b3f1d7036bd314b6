//! `/metrics`: counters of the control plane in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_identity::issuance::RefusalReason;
use ripstop_identity::succession::{Phase, Successor};
use ripstop_xds::ResourceType;

use super::time::unix_seconds;
use super::{Api, reply};
use crate::push::HubReport;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let mut text = Text::default();
    configuration(&mut text, &api);
    pushes(&mut text, &api.hub.report());
    certificates(&mut text, &api);
    reply::with_type(StatusCode::OK, CONTENT_TYPE, text.0)
}

fn configuration(text: &mut Text, api: &Api) {
    let in_force = api.in_force();
    text.family("ripstop_control_config_revision", "gauge", "Number of the last change that was accepted");
    text.sample("", in_force.revision);
    text.family("ripstop_control_config_refused", "gauge", "1 while the documents are not what is in force");
    text.sample("", u8::from(!in_force.refused.is_empty()));
    text.family("ripstop_control_config_reloads_total", "counter", "Edits of the documents by result");
    text.sample("{result=\"good\"}", api.reloads.good());
    text.sample("{result=\"bad\"}", api.reloads.bad());
}

fn pushes(text: &mut Text, report: &HubReport) {
    let streams: usize = report.proxies.iter().map(|proxy| proxy.streams.len()).sum();
    let synced = report.proxies.iter().filter(|proxy| proxy.is_synced()).count();
    text.family("ripstop_control_connected_proxies", "gauge", "Workloads whose proxy is connected");
    text.sample("", report.proxies.len());
    text.family(
        "ripstop_control_synced_proxies",
        "gauge",
        "Connected proxies that have accepted all they were sent",
    );
    text.sample("", synced);
    text.family("ripstop_control_streams", "gauge", "Open ADS streams");
    text.sample("", streams);
    text.family("ripstop_control_refused_streams_total", "counter", "ADS streams refused");
    text.sample("", report.refused);
    text.family("ripstop_control_pushes_total", "counter", "Snapshots given to proxies");
    text.sample("", report.pushes);
    text.family(
        "ripstop_control_unchanged_total",
        "counter",
        "Snapshots that an edit left as they were, not sent",
    );
    text.sample("", report.unchanged);
    let help = "Time from a new configuration to the last proxy's snapshot";
    text.family("ripstop_control_push_time_seconds", "summary", help);
    text.sample("_sum", report.apply_seconds);
    text.sample("_count", report.applied);
    let of = |kind| report.types.get(&kind).copied().unwrap_or_default();
    text.family("ripstop_control_responses_total", "counter", "xDS responses sent by type");
    for kind in ResourceType::ALL {
        text.sample(&format!("{{type=\"{kind}\"}}"), of(kind).responses);
    }
    text.family("ripstop_control_nacks_total", "counter", "xDS responses that a proxy refused by type");
    for kind in ResourceType::ALL {
        text.sample(&format!("{{type=\"{kind}\"}}"), of(kind).nacks);
    }
}

fn certificates(text: &mut Text, api: &Api) {
    text.family("ripstop_control_certificates_issued_total", "counter", "Certificates issued to workloads");
    text.sample("", api.issuance.issued());
    text.family(
        "ripstop_control_certificates_refused_total",
        "counter",
        "Certificate requests refused by reason",
    );
    for reason in RefusalReason::ALL {
        text.sample(&format!("{{reason=\"{}\"}}", reason.label()), api.issuance.refused(reason));
    }
    text.family("ripstop_control_join_tokens", "gauge", "Join tokens that are neither used nor expired");
    text.sample("", api.tokens.prune(api.clock.now()));
    let help = "When a certificate ends, in seconds since 1970";
    text.family("ripstop_control_certificate_not_after_seconds", "gauge", help);
    text.sample("{certificate=\"root\"}", unix_seconds(api.authority.root_not_after()));
    text.sample("{certificate=\"issuer\"}", unix_seconds(api.authority.issuer_not_after()));
    if let Some(svid) = api.identity.svid() {
        text.sample("{certificate=\"control\"}", unix_seconds(svid.not_after()));
    }
    succession(text, api);
}

fn succession(text: &mut Text, api: &Api) {
    let status = api.authority.status();
    text.family("ripstop_control_ca_rotations_total", "counter", "Issuers and roots that were replaced");
    text.sample("{what=\"issuer\"}", status.issuers_replaced);
    text.sample("{what=\"root\"}", status.roots_replaced);
    let help = "1 for what is being replaced and how far it is";
    text.family("ripstop_control_ca_rotation", "gauge", help);
    for what in [Successor::Issuer, Successor::Root] {
        for phase in Phase::ALL {
            let is_now = status.succession.is_some_and(|now| (now.0, now.1) == (what, phase));
            text.sample(&format!("{{what=\"{what}\",phase=\"{phase}\"}}"), u8::from(is_now));
        }
    }
    text.family("ripstop_control_ca_rotation_waiting", "gauge", "Proxies and times that it waits for");
    text.sample("", status.waiting.len());
    text.family("ripstop_control_ca_problem", "gauge", "1 while the CA cannot be changed; see the log");
    text.sample("", u8::from(status.last_error.is_some()));
    let proxies = api.followers.report(api.clock.now());
    text.family("ripstop_control_trust_followers", "gauge", "Proxies that follow the authority");
    text.sample("", proxies.iter().filter(|proxy| proxy.connected).count());
    let behind = proxies.iter().filter(|proxy| proxy.trusts.as_ref() != Some(&status.trust_version));
    text.family(
        "ripstop_control_trust_followers_behind",
        "gauge",
        "Of these, who has not confirmed the roots",
    );
    text.sample("", behind.count());
}

/// Metrics as text, family after family.
#[derive(Default)]
struct Text(String, &'static str);

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One value of the present family; `rest` is a suffix of the name or the labels.
    fn sample(&mut self, rest: &str, value: impl Display) {
        let _ = writeln!(self.0, "{}{rest} {value}", self.1);
    }
}
