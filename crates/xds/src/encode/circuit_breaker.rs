//! Circuit breakers → `filter_metadata["ripstop"]` of a cluster.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::circuit_breaker::{BreakerScope, CircuitBreaker, Fallback, FallbackResponse};

use crate::pb;
use crate::pb::value::Kind;

/// The struct that stands for a breaker.
pub(super) fn circuit_breaker(breaker: &CircuitBreaker) -> Kind {
    let scope = match breaker.scope {
        BreakerScope::Cluster => "cluster",
        BreakerScope::Endpoint => "endpoint",
    };
    let mut fields = vec![
        ("scope", text(scope)),
        ("window_seconds", seconds(breaker.window)),
        ("min_requests", count(breaker.min_requests)),
        ("open_seconds", seconds(breaker.open)),
        ("max_open_seconds", seconds(breaker.max_open)),
        ("probes", count(breaker.probes)),
        ("successes", count(breaker.successes)),
    ];
    if let Some(failures) = breaker.failures {
        fields.push(("failures", count(failures)));
    }
    if let Some(share) = breaker.failure_percent {
        fields.push(("failure_percent", Kind::NumberValue(share.as_f64())));
    }
    if let Some(slow) = breaker.slow {
        fields.push(("slow_seconds", seconds(slow.threshold)));
        fields.push(("slow_percent", Kind::NumberValue(slow.percent.as_f64())));
    }
    match &breaker.fallback {
        Some(Fallback::Cluster(name)) => fields.push(("fallback", of(vec![("cluster", text(name))]))),
        Some(Fallback::Response(FallbackResponse { status, content_type, body })) => {
            let status = Kind::NumberValue(f64::from(*status));
            let answer = vec![("status", status), ("content_type", text(content_type)), ("body", text(body))];
            fields.push(("fallback", of(answer)));
        }
        None => {}
    }
    of(fields)
}

/// A struct with these fields.
pub(super) fn of(fields: Vec<(impl Into<String>, Kind)>) -> Kind {
    let field = |(key, kind): (_, Kind)| (Into::into(key), pb::Value { kind: Some(kind) });
    Kind::StructValue(pb::Struct { fields: fields.into_iter().map(field).collect() })
}

/// A text.
pub(super) fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn seconds(duration: Duration) -> Kind {
    Kind::NumberValue(duration.as_secs_f64())
}

fn count(count: NonZeroU32) -> Kind {
    Kind::NumberValue(count.get().into())
}
