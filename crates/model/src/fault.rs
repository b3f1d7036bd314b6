//! Faults that a proxy makes up, to see how callers bear them: Envoy's `envoy.filters.http.fault`. Which request has one is
//! `ripstop-policy`'s to say.

use std::time::Duration;

use crate::matcher::HeaderMatch;
use crate::{Name, Percent};

/// Envoy's `HTTPFault`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpFault {
    /// Requests are kept waiting.
    pub delay: Option<FaultDelay>,
    /// Requests are answered with a failure. One that was kept waiting may be, too.
    pub abort: Option<FaultAbort>,
    /// Answers are slowed down.
    pub rate: Option<FaultRate>,
    /// Only requests to this cluster are concerned.
    pub upstream_cluster: Option<Name>,
    /// Only requests that fulfil all of these are concerned.
    pub headers: Vec<HeaderMatch>,
    /// Only requests whose `x-envoy-downstream-service-node` is one of these are concerned; empty: all.
    pub downstream_nodes: Vec<Name>,
    /// With so many requests at once under a fault, no further one gets any; `None`: no limit.
    pub max_active: Option<u32>,
    /// Faults are not counted by `x-envoy-downstream-service-cluster`.
    pub hides_callers: bool,
    /// What the values are called that may be set by name.
    pub keys: FaultKeys,
}

/// Names under which values may be set; `None`: Envoy's own, which begin with `fault.http.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultKeys {
    /// The share that waits.
    pub delay_share: Option<Name>,
    /// How long, in milliseconds.
    pub delay_ms: Option<Name>,
    /// The share that fails.
    pub abort_share: Option<Name>,
    /// With which status of HTTP.
    pub abort_http_status: Option<Name>,
    /// With which status of gRPC.
    pub abort_grpc_status: Option<Name>,
    /// The share of answers that is slow.
    pub rate_share: Option<Name>,
    /// How many may be under a fault at once.
    pub max_active: Option<Name>,
}

/// A share of requests. A header of the request may make it smaller, in whole parts of the same size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultShare {
    /// How many; never more than [`FaultShare::of`] says.
    pub parts: u32,
    /// Of how many.
    pub of: FaultParts,
}

impl FaultShare {
    /// All requests.
    pub const ALL: FaultShare = FaultShare { parts: 100, of: FaultParts::Hundred };

    /// The share itself.
    pub fn percent(self) -> Percent {
        Percent::per_million(self.parts.saturating_mul(self.of.millionths()))
    }

    /// In the coarsest parts that say it exactly.
    pub fn of_percent(percent: Percent) -> FaultShare {
        let millionths = percent.as_per_million();
        let of = [FaultParts::Hundred, FaultParts::TenThousand, FaultParts::Million]
            .into_iter()
            .find(|of| millionths.is_multiple_of(of.millionths()))
            .unwrap_or(FaultParts::Million);
        FaultShare { parts: millionths / of.millionths(), of }
    }
}

/// Envoy's `FractionalPercent.DenominatorType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultParts {
    /// Percent.
    #[default]
    Hundred,
    /// Hundredths of a percent.
    TenThousand,
    /// Millionths.
    Million,
}

impl FaultParts {
    /// How large a part is, in millionths.
    pub fn millionths(self) -> u32 {
        match self {
            FaultParts::Hundred => 10_000,
            FaultParts::TenThousand => 100,
            FaultParts::Million => 1,
        }
    }
}

/// Requests are kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultDelay {
    /// How many.
    pub share: FaultShare,
    /// How long, in whole milliseconds; `None`: as `x-envoy-fault-delay-request` says.
    pub fixed: Option<Duration>,
}

/// Requests are answered with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultAbort {
    /// How many.
    pub share: FaultShare,
    /// With what.
    pub status: FaultStatus,
    /// The body of the answer; `None`: Envoy's.
    pub body: Option<Name>,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultStatus {
    /// A status of HTTP, 200 to 599.
    Http(u16),
    /// A status of gRPC.
    Grpc(u32),
    /// What `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` says.
    Header,
}

/// Answers are slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRate {
    /// How many.
    pub share: FaultShare,
    /// KiB a second, not zero; `None`: as `x-envoy-fault-throughput-response` says.
    pub fixed_kib: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_coarse_as_they_can_be() {
        let check = |millionths, parts, of| {
            let percent = Percent::per_million(millionths);
            assert_eq!(FaultShare::of_percent(percent), FaultShare { parts, of });
            assert_eq!(FaultShare { parts, of }.percent(), percent);
        };
        check(0, 0, FaultParts::Hundred);
        check(500_000, 50, FaultParts::Hundred);
        check(1_200, 12, FaultParts::TenThousand);
        check(7, 7, FaultParts::Million);
        assert_eq!(FaultShare::ALL.percent(), Percent::ALL);
    }
}
