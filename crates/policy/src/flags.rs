//! Why a response is not simply what the upstream answered: Envoy's response flags, as they stand in an access log.
//!
//! The vocabulary alone. Which error gives which flag is decided where the error arises.

use std::fmt;

/// Envoy's response flags, as far as something here can cause them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResponseFlag {
    /// `UH`: no healthy upstream host; 503.
    NoHealthyUpstream,
    /// `UF`: no connection to the upstream could be made; 503.
    UpstreamConnectionFailure,
    /// `UO`: a circuit limit is reached; 503.
    UpstreamOverflow,
    /// `NR`: no route takes the request, or no filter chain the connection; 404.
    NoRouteFound,
    /// `NC`: the route names a cluster that is not there; 503.
    NoClusterFound,
    /// `URX`: the upstream failed and all retries are used up.
    UpstreamRetryLimitExceeded,
    /// `UT`: the upstream did not answer in time; 504.
    UpstreamRequestTimeout,
    /// `UC`: the upstream closed the connection in the middle; 503.
    UpstreamConnectionTermination,
    /// `UR`: the upstream reset the stream; 503.
    UpstreamRemoteReset,
    /// `UPE`: the upstream broke the protocol; 502.
    UpstreamProtocolError,
    /// `LR`: the stream was reset here; 503.
    LocalReset,
    /// `DC`: the client closed the connection before the response was whole.
    DownstreamConnectionTermination,
    /// `DR`: the client reset the stream before the response was whole.
    DownstreamRemoteReset,
    /// `DPE`: the client broke the protocol; 400.
    DownstreamProtocolError,
    /// `SI`: neither side sent anything for too long; 408 before the response has begun.
    StreamIdleTimeout,
    /// `DT`: the request or connection exceeded its duration.
    DurationTimeout,
    /// `UMSDR`: the stream exceeded its maximum duration.
    UpstreamMaxStreamDurationReached,
    /// `RL`: limited by rate; 429.
    RateLimited,
    /// `UAEX`: refused by authorization; 403.
    UnauthorizedExternalService,
    /// `OM`: terminated by the overload manager.
    OverloadManager,
    /// `DI`: kept waiting by a fault that was made up.
    DelayInjected,
    /// `FI`: answered with a fault that was made up.
    FaultInjected,
}

impl ResponseFlag {
    /// Every flag.
    pub const ALL: [ResponseFlag; 22] = [
        ResponseFlag::NoHealthyUpstream,
        ResponseFlag::UpstreamRequestTimeout,
        ResponseFlag::LocalReset,
        ResponseFlag::UpstreamRemoteReset,
        ResponseFlag::UpstreamConnectionFailure,
        ResponseFlag::UpstreamConnectionTermination,
        ResponseFlag::UpstreamOverflow,
        ResponseFlag::NoRouteFound,
        ResponseFlag::DelayInjected,
        ResponseFlag::FaultInjected,
        ResponseFlag::RateLimited,
        ResponseFlag::UnauthorizedExternalService,
        ResponseFlag::DownstreamConnectionTermination,
        ResponseFlag::UpstreamRetryLimitExceeded,
        ResponseFlag::StreamIdleTimeout,
        ResponseFlag::DownstreamProtocolError,
        ResponseFlag::UpstreamMaxStreamDurationReached,
        ResponseFlag::DurationTimeout,
        ResponseFlag::UpstreamProtocolError,
        ResponseFlag::NoClusterFound,
        ResponseFlag::OverloadManager,
        ResponseFlag::DownstreamRemoteReset,
    ];

    /// The flag with that short code.
    pub fn from_code(code: &str) -> Option<ResponseFlag> {
        Self::ALL.into_iter().find(|flag| flag.as_str() == code)
    }

    /// The short code of access logs (`%RESPONSE_FLAGS%`).
    pub const fn as_str(self) -> &'static str {
        match self {
            ResponseFlag::NoHealthyUpstream => "UH",
            ResponseFlag::UpstreamConnectionFailure => "UF",
            ResponseFlag::UpstreamOverflow => "UO",
            ResponseFlag::NoRouteFound => "NR",
            ResponseFlag::NoClusterFound => "NC",
            ResponseFlag::UpstreamRetryLimitExceeded => "URX",
            ResponseFlag::UpstreamRequestTimeout => "UT",
            ResponseFlag::UpstreamConnectionTermination => "UC",
            ResponseFlag::UpstreamRemoteReset => "UR",
            ResponseFlag::UpstreamProtocolError => "UPE",
            ResponseFlag::LocalReset => "LR",
            ResponseFlag::DownstreamConnectionTermination => "DC",
            ResponseFlag::DownstreamRemoteReset => "DR",
            ResponseFlag::DownstreamProtocolError => "DPE",
            ResponseFlag::StreamIdleTimeout => "SI",
            ResponseFlag::DurationTimeout => "DT",
            ResponseFlag::UpstreamMaxStreamDurationReached => "UMSDR",
            ResponseFlag::RateLimited => "RL",
            ResponseFlag::UnauthorizedExternalService => "UAEX",
            ResponseFlag::OverloadManager => "OM",
            ResponseFlag::DelayInjected => "DI",
            ResponseFlag::FaultInjected => "FI",
        }
    }

    /// The long name of access logs (`%RESPONSE_FLAGS_LONG%`).
    pub const fn long_name(self) -> &'static str {
        match self {
            ResponseFlag::NoHealthyUpstream => "NoHealthyUpstream",
            ResponseFlag::UpstreamConnectionFailure => "UpstreamConnectionFailure",
            ResponseFlag::UpstreamOverflow => "UpstreamOverflow",
            ResponseFlag::NoRouteFound => "NoRouteFound",
            ResponseFlag::NoClusterFound => "NoClusterFound",
            ResponseFlag::UpstreamRetryLimitExceeded => "UpstreamRetryLimitExceeded",
            ResponseFlag::UpstreamRequestTimeout => "UpstreamRequestTimeout",
            ResponseFlag::UpstreamConnectionTermination => "UpstreamConnectionTermination",
            ResponseFlag::UpstreamRemoteReset => "UpstreamRemoteReset",
            ResponseFlag::UpstreamProtocolError => "UpstreamProtocolError",
            ResponseFlag::LocalReset => "LocalReset",
            ResponseFlag::DownstreamConnectionTermination => "DownstreamConnectionTermination",
            ResponseFlag::DownstreamRemoteReset => "DownstreamRemoteReset",
            ResponseFlag::DownstreamProtocolError => "DownstreamProtocolError",
            ResponseFlag::StreamIdleTimeout => "StreamIdleTimeout",
            ResponseFlag::DurationTimeout => "DurationTimeout",
            ResponseFlag::UpstreamMaxStreamDurationReached => "UpstreamMaxStreamDurationReached",
            ResponseFlag::RateLimited => "RateLimited",
            ResponseFlag::UnauthorizedExternalService => "UnauthorizedExternalService",
            ResponseFlag::OverloadManager => "OverloadManagerTerminated",
            ResponseFlag::DelayInjected => "DelayInjected",
            ResponseFlag::FaultInjected => "FaultInjected",
        }
    }
}

/// Bits that hold one flag in [`ResponseFlags`]; all of them have room in 128.
const FLAG_BITS: u32 = 5;

/// Several flags of one response, in the order in which they were set, which is that of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseFlags {
    set: u32,
    /// Places in [`ResponseFlag::ALL`], the first one lowest.
    order: u128,
}

impl ResponseFlags {
    /// Adds a flag.
    pub fn insert(&mut self, flag: ResponseFlag) {
        if !self.contains(flag) {
            let place = ResponseFlag::ALL.iter().position(|other| *other == flag).unwrap_or(0);
            self.order |= (place as u128) << (FLAG_BITS * self.set.count_ones());
            self.set |= 1 << flag as u32;
        }
    }

    /// Whether a flag is there.
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.set & (1 << flag as u32) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    /// Whether some flag is in both.
    pub fn intersects(self, other: ResponseFlags) -> bool {
        self.set & other.set != 0
    }

    /// The flags, in the order in which they were set.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        let place = move |number| (self.order >> (FLAG_BITS * number)) as usize & ((1 << FLAG_BITS) - 1);
        (0..self.set.count_ones()).filter_map(move |number| ResponseFlag::ALL.get(place(number)).copied())
    }
}

impl FromIterator<ResponseFlag> for ResponseFlags {
    fn from_iter<I: IntoIterator<Item = ResponseFlag>>(flags: I) -> ResponseFlags {
        let mut set = ResponseFlags::default();
        flags.into_iter().for_each(|flag| set.insert(flag));
        set
    }
}

impl Extend<ResponseFlag> for ResponseFlags {
    fn extend<I: IntoIterator<Item = ResponseFlag>>(&mut self, flags: I) {
        flags.into_iter().for_each(|flag| self.insert(flag));
    }
}

impl fmt::Display for ResponseFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_complete() {
        let short: BTreeSet<_> = ResponseFlag::ALL.iter().map(|f| f.as_str()).collect();
        let long: BTreeSet<_> = ResponseFlag::ALL.iter().map(|f| f.long_name()).collect();
        assert_eq!((short.len(), long.len()), (ResponseFlag::ALL.len(), ResponseFlag::ALL.len()));
        assert_eq!(ResponseFlag::UpstreamConnectionFailure.to_string(), "UF");
        assert!(ResponseFlag::ALL.iter().all(|flag| ResponseFlag::from_code(flag.as_str()) == Some(*flag)));
    }

    #[test]
    fn several_flags_stand_in_the_order_in_which_they_were_set() {
        let (retries, failure) =
            (ResponseFlag::UpstreamRetryLimitExceeded, ResponseFlag::UpstreamConnectionFailure);
        let flags: ResponseFlags = [retries, failure, retries].into_iter().collect();
        assert_eq!(flags.iter().map(ResponseFlag::as_str).collect::<Vec<_>>(), ["URX", "UF"]);
        assert!(flags.contains(failure) && !flags.is_empty());
        let all: ResponseFlags = ResponseFlag::ALL.into_iter().rev().collect();
        assert!(all.iter().eq(ResponseFlag::ALL.into_iter().rev()));
    }
}
