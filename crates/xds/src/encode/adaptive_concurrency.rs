//! The adaptive concurrency filter → wire.

use ripstop_model::Percent;
use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};

use super::common::{duration, percent, u32_value};
use super::runtime::runtime_feature;
use crate::pb;

pub(super) fn adaptive_concurrency(adaptive: &AdaptiveConcurrency) -> pb::AdaptiveConcurrency {
    use pb::adaptive_concurrency::ConcurrencyControllerConfig;
    use pb::gradient_controller_config::{ConcurrencyLimitCalculationParams, MinimumRttCalculationParams};
    let common = MinimumRttCalculationParams {
        min_concurrency: Some(u32_value(adaptive.min_concurrency)),
        buffer: Some(percent(Percent::whole(adaptive.buffer_percent))),
        ..Default::default()
    };
    let min_rtt = match adaptive.min_rtt {
        MinRtt::Fixed(rtt) => MinimumRttCalculationParams { fixed_value: Some(duration(rtt)), ..common },
        MinRtt::Measured { interval, requests, jitter } => MinimumRttCalculationParams {
            interval: Some(duration(interval)),
            request_count: Some(u32_value(requests)),
            jitter: Some(percent(jitter)),
            ..common
        },
    };
    let gradient = pb::GradientControllerConfig {
        sample_aggregate_percentile: Some(percent(adaptive.percentile)),
        concurrency_limit_params: Some(ConcurrencyLimitCalculationParams {
            max_concurrency_limit: Some(u32_value(adaptive.max_limit)),
            concurrency_update_interval: Some(duration(adaptive.update_interval)),
            min_concurrency_limit: Some(u32_value(adaptive.min_limit)),
        }),
        min_rtt_calc_params: Some(min_rtt),
    };
    pb::AdaptiveConcurrency {
        enabled: Some(runtime_feature(&adaptive.enabled)),
        concurrency_limit_exceeded_status: Some(pb::HttpStatus { code: adaptive.exceeded_status.into() }),
        concurrency_controller_config: Some(ConcurrencyControllerConfig::GradientControllerConfig(gradient)),
    }
}
