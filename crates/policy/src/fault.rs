//! Which requests have a fault, and which: Envoy's filter for faults. How many have one at once is counted by who carries
//! them out.

pub mod rate;

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use ripstop_model::fault::{FaultAbort, FaultDelay, FaultRate, FaultShare, FaultStatus, HttpFault};
use ripstop_model::{Name, Percent};

use crate::route::RequestHead;
use crate::route::header::HeaderMatcher;
use crate::route::text::RegexError;
use crate::runtime::Runtime;

/// Who calls, as a proxy of the caller says: a service.
pub const CALLER_CLUSTER: HeaderName = HeaderName::from_static("x-envoy-downstream-service-cluster");
/// The same: an instance.
const CALLER_NODE: HeaderName = HeaderName::from_static("x-envoy-downstream-service-node");
const DELAY_MS: HeaderName = HeaderName::from_static("x-envoy-fault-delay-request");
const DELAY_SHARE: HeaderName = HeaderName::from_static("x-envoy-fault-delay-request-percentage");
const ABORT_HTTP: HeaderName = HeaderName::from_static("x-envoy-fault-abort-request");
const ABORT_GRPC: HeaderName = HeaderName::from_static("x-envoy-fault-abort-grpc-request");
const ABORT_SHARE: HeaderName = HeaderName::from_static("x-envoy-fault-abort-request-percentage");
const RATE_KIB: HeaderName = HeaderName::from_static("x-envoy-fault-throughput-response");
const RATE_SHARE: HeaderName = HeaderName::from_static("x-envoy-fault-throughput-response-percentage");

/// What all names begin with by which something about faults may be set.
const KEYS: &str = "fault.http.";
const DELAY_SHARE_KEY: &str = "delay.fixed_delay_percent";
const DELAY_MS_KEY: &str = "delay.fixed_duration_ms";
const ABORT_SHARE_KEY: &str = "abort.abort_percent";
const ABORT_HTTP_KEY: &str = "abort.http_status";
const ABORT_GRPC_KEY: &str = "abort.grpc_status";
const RATE_SHARE_KEY: &str = "rate_limit.response_percent";
const MAX_ACTIVE_KEY: &str = "max_active_faults";

/// The body of the answer to a request that is aborted, where nothing else is said.
const ABORT_BODY: &str = "fault filter abort";

/// A compiled [`HttpFault`].
#[derive(Debug)]
pub struct FaultRules {
    delay: Option<FaultDelay>,
    abort: Option<FaultAbort>,
    rate: Option<FaultRate>,
    upstream_cluster: Option<Name>,
    headers: Vec<HeaderMatcher>,
    nodes: Vec<Name>,
    hides_callers: bool,
    /// With so many at once under a fault, no further one gets any.
    max_active: Option<u32>,
    set: Set,
    rate_share_set: Option<Percent>,
    /// By the service that calls.
    set_for: BTreeMap<String, Set>,
}

/// What is set by name, for all callers or for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    delay_share: Option<Percent>,
    delay_ms: Option<u32>,
    abort_share: Option<Percent>,
    http_status: Option<u32>,
    grpc_status: Option<u32>,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Status of HTTP, 200 to 599.
    pub status: u16,
    /// Status of gRPC, for calls.
    pub grpc: Option<u32>,
}

impl FaultRules {
    /// Compiles a fault.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(fault: &HttpFault, runtime: &Runtime) -> Result<FaultRules, RegexError> {
        let name = |key: &Option<Name>, own: &str| {
            key.as_ref().map_or_else(|| format!("{KEYS}{own}"), ToString::to_string)
        };
        let share = |key: &Option<Name>, own: &str| runtime.share(&name(key, own));
        let number = |key: &Option<Name>, own: &str| runtime.number(&name(key, own));
        let keys = &fault.keys;
        Ok(FaultRules {
            delay: fault.delay,
            abort: fault.abort.clone(),
            rate: fault.rate,
            upstream_cluster: fault.upstream_cluster.clone(),
            headers: fault.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?,
            nodes: fault.downstream_nodes.clone(),
            hides_callers: fault.hides_callers,
            max_active: number(&keys.max_active, MAX_ACTIVE_KEY).or(fault.max_active),
            set: Set {
                delay_share: share(&keys.delay_share, DELAY_SHARE_KEY),
                delay_ms: number(&keys.delay_ms, DELAY_MS_KEY),
                abort_share: share(&keys.abort_share, ABORT_SHARE_KEY),
                http_status: number(&keys.abort_http_status, ABORT_HTTP_KEY),
                grpc_status: number(&keys.abort_grpc_status, ABORT_GRPC_KEY),
            },
            rate_share_set: share(&keys.rate_share, RATE_SHARE_KEY),
            set_for: set_for_callers(runtime),
        })
    }

    /// Whether a request to `cluster` may have a fault at all.
    pub fn concerns(&self, head: &RequestHead<'_>, cluster: Option<&str>) -> bool {
        let node = || head.headers.get(CALLER_NODE).map(|node| node.as_bytes());
        self.upstream_cluster.as_deref().is_none_or(|wanted| cluster == Some(wanted))
            && (self.nodes.is_empty()
                || node().is_some_and(|node| self.nodes.iter().any(|wanted| wanted.as_bytes() == node)))
            && self.headers.iter().all(|matcher| matcher.matches(head))
    }

    /// With so many requests under a fault at once, no further one gets any.
    pub fn max_active(&self) -> Option<u32> {
        self.max_active
    }

    /// Who is counted as the caller of a request, if anybody.
    pub fn counted_caller<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let caller = headers.get(CALLER_CLUSTER)?.to_str().ok()?;
        (!caller.is_empty() && !self.hides_callers).then_some(caller)
    }

    /// How long a request waits.
    pub fn delay(&self, headers: &HeaderMap, rng: &mut fastrand::Rng) -> Option<Duration> {
        let delay = self.delay.as_ref()?;
        let caller = self.caller(headers);
        let set = caller.map_or(self.set.delay_share, |caller| caller.delay_share);
        if !falls_into(set, delay.share, headers, &DELAY_SHARE, rng) {
            return None;
        }
        let millis = match delay.fixed {
            Some(fixed) => u64::try_from(fixed.as_millis()).unwrap_or(u64::MAX),
            None => number(headers, &DELAY_MS)?,
        };
        let set = caller.and_then(|caller| caller.delay_ms).or(self.set.delay_ms);
        let millis = set.map_or(millis, u64::from);
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// What a request is answered with instead of going on.
    pub fn abort(&self, headers: &HeaderMap, rng: &mut fastrand::Rng) -> Option<Abort> {
        let abort = self.abort.as_ref()?;
        let caller = self.caller(headers);
        let set = caller.map_or(self.set.abort_share, |caller| caller.abort_share);
        if !falls_into(set, abort.share, headers, &ABORT_SHARE, rng) {
            return None;
        }
        let set = caller.unwrap_or(self.set);
        let (http, grpc) = match abort.status {
            FaultStatus::Http(status) => (Some(status), None),
            FaultStatus::Grpc(status) => (None, Some(status)),
            FaultStatus::Header => {
                let http = number(headers, &ABORT_HTTP).and_then(|status| u16::try_from(status).ok());
                let grpc = number(headers, &ABORT_GRPC).and_then(|status| u32::try_from(status).ok());
                (http.filter(is_status), grpc)
            }
        };
        if let Some(status) = http {
            let set = set.http_status.and_then(|status| u16::try_from(status).ok()).filter(is_status);
            return Some(Abort { status: set.unwrap_or(status), grpc: None });
        }
        // A call of gRPC fails with 200.
        grpc.map(|status| Abort { status: 200, grpc: Some(set.grpc_status.unwrap_or(status)) })
    }

    /// How many KiB of its answer are given a second.
    pub fn rate_kib(&self, headers: &HeaderMap, rng: &mut fastrand::Rng) -> Option<u64> {
        let rate = self.rate.as_ref()?;
        if !falls_into(self.rate_share_set, rate.share, headers, &RATE_SHARE, rng) {
            return None;
        }
        rate.fixed_kib.or_else(|| number(headers, &RATE_KIB)).filter(|rate| *rate > 0)
    }

    /// The body of the answer to a request that is aborted.
    pub fn body(&self) -> &str {
        let own = self.abort.as_ref().and_then(|abort| abort.body.as_deref());
        own.unwrap_or(ABORT_BODY)
    }

    /// Whether any request may have a fault.
    pub fn does_something(&self) -> bool {
        self.delay.is_some() || self.abort.is_some() || self.rate.is_some()
    }

    /// Whether answers may be slowed down.
    pub fn slows_answers(&self) -> bool {
        self.rate.is_some()
    }

    /// What is set for the caller of a request. As in Envoy, shares and statuses that are set for all do not hold for one that
    /// says who it is.
    fn caller(&self, headers: &HeaderMap) -> Option<Set> {
        let caller = headers.get(CALLER_CLUSTER)?;
        let set = caller.to_str().ok().and_then(|caller| self.set_for.get(caller));
        Some(set.copied().unwrap_or_default())
    }
}

fn is_status(status: &u16) -> bool {
    (200..600).contains(status)
}

/// What is set for single callers: `fault.http.CALLER.…`.
fn set_for_callers(runtime: &Runtime) -> BTreeMap<String, Set> {
    let mut callers = BTreeMap::<String, Set>::new();
    for (key, _) in runtime.values() {
        let Some(rest) = key.strip_prefix(KEYS) else { continue };
        let of = |own: &str| rest.strip_suffix(own).and_then(|rest| rest.strip_suffix('.'));
        let mut set = |caller: Option<&str>, change: fn(&mut Set, &Runtime, &str)| {
            if let Some(caller) = caller {
                change(callers.entry(caller.to_owned()).or_default(), runtime, key);
            }
        };
        set(of(DELAY_SHARE_KEY), |set, runtime, key| set.delay_share = runtime.share(key));
        set(of(DELAY_MS_KEY), |set, runtime, key| set.delay_ms = runtime.number(key));
        set(of(ABORT_SHARE_KEY), |set, runtime, key| set.abort_share = runtime.share(key));
        set(of(ABORT_HTTP_KEY), |set, runtime, key| set.http_status = runtime.number(key));
        set(of(ABORT_GRPC_KEY), |set, runtime, key| set.grpc_status = runtime.number(key));
    }
    callers
}

/// Throws the dice. A header can make the share that is configured smaller, but not the one that is set by name.
fn falls_into(
    set: Option<Percent>,
    share: FaultShare,
    headers: &HeaderMap,
    smaller: &HeaderName,
    rng: &mut fastrand::Rng,
) -> bool {
    let asked = || number(headers, smaller).and_then(|parts| u32::try_from(parts).ok());
    let percent = set.unwrap_or_else(|| {
        let parts = asked().map_or(share.parts, |asked| asked.min(share.parts));
        FaultShare { parts, ..share }.percent()
    });
    let millionths = percent.as_per_million();
    millionths > 0 && rng.u32(0..1_000_000) < millionths
}

/// The first value of a header, if it is a number.
fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
