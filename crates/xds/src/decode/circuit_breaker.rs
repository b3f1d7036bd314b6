//! Circuit breakers ← `filter_metadata["ripstop"]` of a cluster.

use ripstop_model::circuit_breaker::{BreakerScope, CircuitBreaker, Fallback, FallbackResponse, SlowCalls};

use super::common::{Context, metadata_value};
use super::extension::Fields;
use crate::metadata::{CIRCUIT_BREAKER, RIPSTOP};
use crate::pb;

/// Longest name of a cluster or of a kind of content.
const MAX_NAME_BYTES: usize = 1024;

/// The breaker of a cluster, if it has one.
pub(super) fn circuit_breaker(cx: &mut Context, metadata: Option<&pb::Metadata>) -> Option<CircuitBreaker> {
    let value = metadata_value(metadata, RIPSTOP, CIRCUIT_BREAKER)?;
    cx.at("metadata.filter_metadata[\"ripstop\"].circuit_breaker", |cx| match value {
        pb::value::Kind::StructValue(fields) => read(cx, Fields::new(fields)),
        _ => cx.refuse("must be a struct"),
    })
}

fn read(cx: &mut Context, mut fields: Fields<'_>) -> Option<CircuitBreaker> {
    let default = CircuitBreaker::default();
    let scopes = [("cluster", BreakerScope::Cluster), ("endpoint", BreakerScope::Endpoint)];
    let scope = fields.word(cx, "scope", &scopes).unwrap_or_default();
    let window = fields.seconds(cx, "window_seconds").unwrap_or(default.window);
    let min_requests = fields.count(cx, "min_requests").unwrap_or(default.min_requests);
    let failures = fields.count(cx, "failures");
    let failure_percent = fields.percent(cx, "failure_percent");
    let slow = slow_calls(cx, &mut fields);
    let open = fields.seconds(cx, "open_seconds").unwrap_or(default.open);
    let max_open = fields.seconds(cx, "max_open_seconds").unwrap_or(default.max_open.max(open));
    let probes = fields.count(cx, "probes").unwrap_or(default.probes);
    let successes = fields.count(cx, "successes").unwrap_or(default.successes);
    let fallback =
        fields.fields(cx, "fallback").and_then(|inner| cx.at("fallback", |cx| fallback(cx, inner)));
    fields.finish(cx);
    if max_open < open {
        return cx.at("max_open_seconds", |cx| cx.refuse("must not be shorter than open_seconds"));
    }
    // A breaker of which nothing is said opens by the share of failures.
    let said = failures.is_some() || failure_percent.is_some() || slow.is_some();
    let failure_percent = if said { failure_percent } else { default.failure_percent };
    Some(CircuitBreaker {
        scope,
        window,
        min_requests,
        failures,
        failure_percent,
        slow,
        open,
        max_open,
        probes,
        successes,
        fallback,
    })
}

fn slow_calls(cx: &mut Context, fields: &mut Fields<'_>) -> Option<SlowCalls> {
    let threshold = fields.seconds(cx, "slow_seconds");
    let percent = fields.percent(cx, "slow_percent");
    match (threshold, percent) {
        (Some(threshold), Some(percent)) => Some(SlowCalls { threshold, percent }),
        (None, None) => None,
        _ => cx.refuse("slow_seconds and slow_percent belong together"),
    }
}

fn fallback(cx: &mut Context, mut fields: Fields<'_>) -> Option<Fallback> {
    let cluster = fields.text(cx, "cluster", MAX_NAME_BYTES);
    let status = fields.count(cx, "status");
    let content_type = fields.text(cx, "content_type", MAX_NAME_BYTES).unwrap_or_default();
    let body = fields.text(cx, "body", FallbackResponse::MAX_BODY_BYTES).unwrap_or_default();
    fields.finish(cx);
    if !content_type.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return cx.at("content_type", |cx| cx.refuse("must be visible ASCII"));
    }
    match (cluster, status.map(|status| u16::try_from(status.get()))) {
        (Some(cluster), None) => Some(Fallback::Cluster(cluster.into())),
        (None, Some(Ok(status @ 200..600))) => Some(Fallback::Response(FallbackResponse {
            status,
            content_type: content_type.into(),
            body: body.into(),
        })),
        (None, Some(_)) => cx.at("status", |cx| cx.refuse("must be an HTTP status between 200 and 599")),
        (Some(_), Some(_)) => cx.refuse("is either a cluster or an answer with a status"),
        (None, None) => cx.refuse("needs a cluster or a status"),
    }
}
