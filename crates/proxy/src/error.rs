//! Why a request could not be served. One table says what the client sees, what the log shows, and in
//! which counter it falls; nothing else decides that.

use http::StatusCode;
use ripstop_policy::flags::ResponseFlag;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The client's.
    Downstream,
    /// The upstream's, or the way there.
    Upstream,
    /// Ours, or the configuration's.
    Local,
}

/// What went wrong. Whether it is worth another try is decided by `ripstop-policy` from the outcome of
/// the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyError {
    /// The request has no usable host.
    MissingHost,
    /// The target of the request is no path.
    NoPath,
    /// The path of the request may not be what it is.
    BadPath,
    /// The request did not come whole in time.
    TooSlow,
    /// A header has an underscore in its name where none may.
    Underscore,
    /// No route takes the request.
    NoRoute,
    /// The route names a cluster that is not there.
    NoCluster,
    /// The cluster has no endpoint that takes requests.
    NoHealthyUpstream,
    /// The endpoint that the session of the request belongs to is not there any more; the rules of the session say what the
    /// client gets.
    SessionHostGone,
    /// A circuit limit is reached.
    Overflow,
    /// A circuit breaker leaves the upstream alone.
    BreakerOpen,
    /// No connection could be made.
    ConnectFailure,
    /// Nobody listens at the address of the endpoint.
    ConnectionRefused,
    /// No connection could be made in time.
    ConnectTimeout,
    /// The TLS handshake failed: wrong identity, expired certificate, no TLS at all.
    TlsFailure,
    /// The upstream closed the connection before it answered.
    UpstreamClosed,
    /// The upstream reset the stream before it answered.
    UpstreamReset,
    /// The upstream did not take the stream.
    UpstreamRefused,
    /// The upstream sent something that is not HTTP.
    UpstreamProtocol,
    /// The upstream did not answer in the time the route gives.
    RequestTimeout,
    /// No try was answered in the time one try may take.
    PerTryTimeout,
    /// The body of the request breaks the protocol.
    BadBody,
    /// Neither side sent anything for too long, and the request is not whole.
    StreamIdle,
    /// The same after the request was whole.
    AnswerIdle,
    /// In one try, nothing moved for too long.
    PerTryIdle,
    /// The stream lasted longer than it may, and the request is not whole.
    MaxDuration,
    /// The same after the request was whole.
    MaxDurationAnswer,
    /// The answer took longer than the cluster allows.
    UpstreamMaxDuration,
    /// The client went away.
    ClientGone,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Whose fault.
    pub at: At,
    /// What the client gets.
    pub status: StatusCode,
    /// What the access log shows, if anything.
    pub flag: Option<ResponseFlag>,
    /// The words of `%RESPONSE_CODE_DETAILS%`; also the metric label.
    pub details: &'static str,
    /// Body of the answer. Says no more than Envoy's: no addresses, no certificates.
    pub body: &'static str,
}

/// Envoy's sentence with a reason.
macro_rules! reset {
    ($reason:literal) => {
        concat!("upstream connect error or disconnect/reset before headers. reset reason: ", $reason)
    };
}

impl ProxyError {
    /// Whether the upstream has nothing to do with it.
    pub fn is_clients(self) -> bool {
        self.consequence().at == At::Downstream
    }

    /// What a caller of gRPC learns where that is not what the status of HTTP says.
    pub fn grpc_status(self) -> Option<u32> {
        let over = matches!(self, ProxyError::MaxDuration | ProxyError::MaxDurationAnswer);
        over.then_some(ripstop_policy::grpc::DEADLINE_EXCEEDED)
    }

    /// Whether the request says something that cannot be; with HTTP/1, Envoy takes no further one after that.
    pub fn is_of_what_was_said(self) -> bool {
        matches!(self, ProxyError::MissingHost | ProxyError::BadPath)
    }

    /// Envoy shows nothing of a stream that was ended for its age, nor of a target that it does not take.
    fn flagged(self) -> bool {
        use ProxyError::{BadPath, MaxDuration, MaxDurationAnswer, MissingHost, NoPath, TooSlow};
        !matches!(self, MaxDuration | MaxDurationAnswer | MissingHost | NoPath | BadPath | TooSlow)
    }

    /// The table.
    #[allow(clippy::too_many_lines)]
    pub fn consequence(self) -> Consequence {
        use At::{Downstream, Local, Upstream};
        use ResponseFlag as Flag;
        let (at, status, flag, details, body) = match self {
            ProxyError::MissingHost => {
                (Downstream, 400, Flag::DownstreamProtocolError, "missing_host_header", "")
            }
            ProxyError::NoPath => {
                (Downstream, 404, Flag::DownstreamProtocolError, "absolute_path_rejected", "")
            }
            ProxyError::BadPath => {
                (Downstream, 400, Flag::DownstreamProtocolError, "path_normalization_failed", "")
            }
            ProxyError::TooSlow => {
                (Downstream, 408, Flag::DownstreamProtocolError, "request_overall_timeout", "request timeout")
            }
            ProxyError::Underscore => {
                (Downstream, 400, Flag::DownstreamProtocolError, "http1.unexpected_underscore", "Bad Request")
            }
            ProxyError::NoRoute => (Local, 404, Flag::NoRouteFound, "route_not_found", ""),
            ProxyError::NoCluster => (Local, 503, Flag::NoClusterFound, "cluster_not_found", ""),
            ProxyError::NoHealthyUpstream | ProxyError::SessionHostGone => {
                (Upstream, 503, Flag::NoHealthyUpstream, "no_healthy_upstream", "no healthy upstream")
            }
            ProxyError::Overflow => (
                Upstream,
                503,
                Flag::UpstreamOverflow,
                "upstream_reset_before_response_started{overflow}",
                reset!("overflow"),
            ),
            ProxyError::BreakerOpen => {
                (Upstream, 503, Flag::UpstreamOverflow, "circuit_breaker_open", "circuit breaker open")
            }
            ProxyError::ConnectFailure | ProxyError::ConnectionRefused | ProxyError::TlsFailure => (
                Upstream,
                503,
                Flag::UpstreamConnectionFailure,
                "upstream_reset_before_response_started{remote_connection_failure}",
                reset!("remote connection failure"),
            ),
            ProxyError::ConnectTimeout => (
                Upstream,
                503,
                Flag::UpstreamConnectionFailure,
                "upstream_reset_before_response_started{connection_timeout}",
                reset!("connection timeout"),
            ),
            ProxyError::UpstreamClosed => (
                Upstream,
                503,
                Flag::UpstreamConnectionTermination,
                "upstream_reset_before_response_started{connection_termination}",
                reset!("connection termination"),
            ),
            ProxyError::UpstreamReset => (
                Upstream,
                503,
                Flag::UpstreamRemoteReset,
                "upstream_reset_before_response_started{remote_reset}",
                reset!("remote reset"),
            ),
            ProxyError::UpstreamRefused => (
                Upstream,
                503,
                Flag::UpstreamRemoteReset,
                "upstream_reset_before_response_started{remote_refused_stream_reset}",
                reset!("remote refused stream reset"),
            ),
            ProxyError::UpstreamProtocol => (
                Upstream,
                502,
                Flag::UpstreamProtocolError,
                "upstream_reset_before_response_started{protocol_error}",
                reset!("protocol error"),
            ),
            ProxyError::RequestTimeout => {
                (Upstream, 504, Flag::UpstreamRequestTimeout, "response_timeout", "upstream request timeout")
            }
            ProxyError::PerTryTimeout => (
                Upstream,
                504,
                Flag::UpstreamRequestTimeout,
                "upstream_per_try_timeout",
                "upstream request timeout",
            ),
            ProxyError::BadBody => (Downstream, 400, Flag::DownstreamProtocolError, "codec_error", ""),
            ProxyError::StreamIdle => {
                (Downstream, 408, Flag::StreamIdleTimeout, "stream_idle_timeout", "stream timeout")
            }
            ProxyError::AnswerIdle => {
                (Downstream, 504, Flag::StreamIdleTimeout, "stream_idle_timeout", "stream timeout")
            }
            ProxyError::PerTryIdle => (
                Upstream,
                504,
                Flag::UpstreamRequestTimeout,
                "upstream_per_try_idle_timeout",
                "upstream request timeout",
            ),
            ProxyError::MaxDuration => (
                Downstream,
                408,
                Flag::DurationTimeout,
                "max_duration_timeout",
                "downstream duration timeout",
            ),
            ProxyError::MaxDurationAnswer => (
                Downstream,
                504,
                Flag::DurationTimeout,
                "max_duration_timeout",
                "downstream duration timeout",
            ),
            ProxyError::UpstreamMaxDuration => (
                Upstream,
                504,
                Flag::UpstreamMaxStreamDurationReached,
                "upstream_max_stream_duration_reached",
                "upstream max stream duration reached",
            ),
            ProxyError::ClientGone => {
                (Downstream, 503, Flag::DownstreamConnectionTermination, "downstream_remote_disconnect", "")
            }
        };
        // Every status of the table is a valid one.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let flag = self.flagged().then_some(flag);
        Consequence { at, status, flag, details, body }
    }
}

impl Consequence {
    /// The words for the log where the answer had begun before it broke off.
    pub fn details_after_begin(&self) -> &'static str {
        match self.flag {
            Some(ResponseFlag::UpstreamConnectionTermination) => {
                "upstream_reset_after_response_started{connection_termination}"
            }
            Some(ResponseFlag::UpstreamRemoteReset) => "upstream_reset_after_response_started{remote_reset}",
            Some(ResponseFlag::UpstreamProtocolError) => {
                "upstream_reset_after_response_started{protocol_error}"
            }
            _ => self.details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_learns_what_envoy_tells_it() {
        let check = |error: ProxyError, status: u16, flag: &str| {
            let consequence = error.consequence();
            let shown = consequence.flag.map_or("-", |flag| flag.as_str());
            assert_eq!((consequence.status.as_u16(), shown), (status, flag), "{error:?}");
        };
        check(ProxyError::NoRoute, 404, "NR");
        check(ProxyError::NoCluster, 503, "NC");
        check(ProxyError::NoHealthyUpstream, 503, "UH");
        check(ProxyError::Overflow, 503, "UO");
        check(ProxyError::BreakerOpen, 503, "UO");
        check(ProxyError::ConnectTimeout, 503, "UF");
        check(ProxyError::UpstreamClosed, 503, "UC");
        check(ProxyError::RequestTimeout, 504, "UT");
        check(ProxyError::BadBody, 400, "DPE");
        check(ProxyError::StreamIdle, 408, "SI");
        check(ProxyError::AnswerIdle, 504, "SI");
        check(ProxyError::MaxDuration, 408, "-");
        check(ProxyError::ClientGone, 503, "DC");
    }
}
