//! The adaptive concurrency filter ← wire.

use ripstop_model::Percent;
use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};
use ripstop_model::runtime::RuntimeFeature;

use super::common::{Context, duration, percent, positive_duration, unpack};
use super::runtime::runtime_feature;
use crate::pb;
use crate::pb::adaptive_concurrency::ConcurrencyControllerConfig;

/// Shortest interval that Envoy's clock can tell.
const ENVOYS_TICK: std::time::Duration = std::time::Duration::from_millis(1);

pub(super) fn adaptive_concurrency(cx: &mut Context, any: &pb::Any) -> Option<AdaptiveConcurrency> {
    let wire: pb::AdaptiveConcurrency = unpack(cx, any)?;
    let Some(ConcurrencyControllerConfig::GradientControllerConfig(gradient)) =
        &wire.concurrency_controller_config
    else {
        return cx.at("gradient_controller_config", |cx| cx.refuse("is needed"));
    };
    let enabled = match &wire.enabled {
        Some(enabled) => cx.at("enabled", |cx| runtime_feature(cx, enabled))?,
        None => RuntimeFeature { key: "".into(), default: true },
    };
    let status = wire.concurrency_limit_exceeded_status.as_ref().map_or(0, |status| status.code);
    cx.at("gradient_controller_config", |cx| {
        let percentile =
            percent(cx, "sample_aggregate_percentile", gradient.sample_aggregate_percentile.as_ref());
        let Some(limits) = &gradient.concurrency_limit_params else {
            return cx.at("concurrency_limit_params", |cx| cx.refuse("is needed"));
        };
        let Some(measuring) = &gradient.min_rtt_calc_params else {
            return cx.at("min_rtt_calc_params", |cx| cx.refuse("is needed"));
        };
        let (min_rtt, min_concurrency, buffer_percent) =
            cx.at("min_rtt_calc_params", |cx| min_rtt(cx, measuring))?;
        let update_interval = cx.at("concurrency_limit_params", |cx| {
            positive_duration(cx, "concurrency_update_interval", limits.concurrency_update_interval.as_ref())
        });
        Some(AdaptiveConcurrency {
            enabled,
            percentile: percentile.unwrap_or(Percent::whole(50)),
            max_limit: limits
                .max_concurrency_limit
                .as_ref()
                .map_or(AdaptiveConcurrency::DEFAULT_MAX_LIMIT, |limit| limit.value),
            min_limit: limits.min_concurrency_limit.as_ref().map_or(min_concurrency, |limit| limit.value),
            update_interval: update_interval.unwrap_or(ENVOYS_TICK),
            min_rtt,
            min_concurrency,
            buffer_percent,
            exceeded_status: u16::try_from(status)
                .ok()
                .filter(|status| (400..600).contains(status))
                .unwrap_or(503),
        })
    })
}

fn min_rtt(
    cx: &mut Context,
    wire: &pb::gradient_controller_config::MinimumRttCalculationParams,
) -> Option<(MinRtt, u32, u32)> {
    let min_concurrency = wire
        .min_concurrency
        .as_ref()
        .map_or(AdaptiveConcurrency::DEFAULT_MIN_CONCURRENCY, |least| least.value);
    let buffer = percent(cx, "buffer", wire.buffer.as_ref());
    let buffer_percent =
        buffer.map_or(AdaptiveConcurrency::DEFAULT_BUFFER_PERCENT, |buffer| buffer.as_per_million() / 10_000);
    let interval = duration(cx, "interval", wire.interval.as_ref()).filter(|interval| !interval.is_zero());
    let fixed = positive_duration(cx, "fixed_value", wire.fixed_value.as_ref());
    let rtt = match (interval, fixed) {
        (Some(interval), _) => MinRtt::Measured {
            interval,
            requests: wire.request_count.as_ref().map_or(MinRtt::DEFAULT_REQUESTS, |count| count.value),
            jitter: percent(cx, "jitter", wire.jitter.as_ref())
                .unwrap_or(Percent::whole(MinRtt::DEFAULT_JITTER_PERCENT)),
        },
        (None, Some(fixed)) => MinRtt::Fixed(fixed),
        (None, None) => return cx.refuse("needs an interval or a fixed_value"),
    };
    Some((rtt, min_concurrency, buffer_percent))
}
