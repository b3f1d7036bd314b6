//! Which requests get a line in an access log. What the line holds is no decision.

use ripstop_model::access_log::LogFilter;
use ripstop_model::access_log::filter::{Comparison, ComparisonOp};
use ripstop_model::{Name, Percent};

use crate::flags::{ResponseFlag, ResponseFlags};
use crate::route::RequestHead;
use crate::route::header::HeaderMatcher;
use crate::route::text::RegexError;
use crate::runtime::Runtime;

/// A compiled [`LogFilter`].
#[derive(Clone, Debug)]
pub enum CompiledFilter {
    /// Every request.
    All,
    /// By status.
    Status(Compare),
    /// By duration.
    DurationMs(Compare),
    /// By header.
    Header(Box<HeaderMatcher>),
    /// By flags; `None`: some flag.
    Flags(Option<ResponseFlags>),
    /// A share.
    Share {
        /// Which.
        share: Percent,
        /// Not by `x-request-id`.
        independent: bool,
    },
    /// By gRPC status.
    GrpcStatus {
        /// These.
        statuses: Vec<u32>,
        /// All but these.
        exclude: bool,
    },
    /// By the kind of line.
    LogType {
        /// These.
        types: Vec<Name>,
        /// All but these.
        exclude: bool,
    },
    /// All of them.
    And(Vec<CompiledFilter>),
    /// One of them.
    Or(Vec<CompiledFilter>),
}

/// A comparison with a number that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    op: ComparisonOp,
    with: u32,
}

/// What a filter can look at.
#[derive(Clone, Copy, Debug)]
pub struct LogFacts<'a> {
    /// The request, with the headers that filters ask for.
    pub head: RequestHead<'a>,
    /// Its `x-request-id`.
    pub request_id: Option<&'a str>,
    /// Status of the response; 0: there was none.
    pub status: u16,
    /// How long it took so far, in milliseconds.
    pub duration_ms: u64,
    /// What went wrong.
    pub flags: ResponseFlags,
    /// The gRPC status, or what the HTTP status comes to.
    pub grpc_status: u32,
    /// As `%ACCESS_LOG_TYPE%` shows it.
    pub log_type: &'a str,
}

impl CompiledFilter {
    /// Compiles a filter with the values that are set by name.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(filter: &LogFilter, runtime: &Runtime) -> Result<CompiledFilter, RegexError> {
        Ok(match filter {
            LogFilter::Status(by) => CompiledFilter::Status(Compare::compile(by, runtime)),
            LogFilter::DurationMs(by) => CompiledFilter::DurationMs(Compare::compile(by, runtime)),
            // Only Envoy's health check filter marks requests, and there is none here.
            LogFilter::NotHealthCheck => CompiledFilter::All,
            LogFilter::Header(header) => CompiledFilter::Header(Box::new(HeaderMatcher::compile(header)?)),
            LogFilter::Flags(flags) if flags.is_empty() => CompiledFilter::Flags(None),
            LogFilter::Flags(flags) => {
                // A flag that nothing here causes is never set.
                CompiledFilter::Flags(Some(
                    flags.iter().filter_map(|flag| ResponseFlag::from_code(flag)).collect(),
                ))
            }
            LogFilter::Runtime { share, independent } => {
                CompiledFilter::Share { share: runtime.fraction(share), independent: *independent }
            }
            LogFilter::GrpcStatus { statuses, exclude } => {
                CompiledFilter::GrpcStatus { statuses: statuses.clone(), exclude: *exclude }
            }
            LogFilter::LogType { types, exclude } => {
                CompiledFilter::LogType { types: types.clone(), exclude: *exclude }
            }
            LogFilter::And(filters) => CompiledFilter::And(several(filters, runtime)?),
            LogFilter::Or(filters) => CompiledFilter::Or(several(filters, runtime)?),
        })
    }

    /// Whether a request gets a line. `dice` gives a number of which every value is as likely.
    pub fn admits(&self, facts: &LogFacts<'_>, dice: &mut dyn FnMut() -> u32) -> bool {
        match self {
            CompiledFilter::All => true,
            CompiledFilter::Status(compare) => compare.holds(facts.status.into()),
            CompiledFilter::DurationMs(compare) => compare.holds(facts.duration_ms),
            CompiledFilter::Header(header) => header.matches(&facts.head),
            CompiledFilter::Flags(None) => !facts.flags.is_empty(),
            CompiledFilter::Flags(Some(flags)) => facts.flags.intersects(*flags),
            CompiledFilter::Share { share, independent } => {
                let id = facts.request_id.filter(|_| !independent).and_then(number_of);
                id.unwrap_or_else(dice) % 1_000_000 < share.as_per_million()
            }
            CompiledFilter::GrpcStatus { statuses, exclude } => {
                statuses.contains(&facts.grpc_status) != *exclude
            }
            CompiledFilter::LogType { types, exclude } => {
                types.iter().any(|kind| **kind == *facts.log_type) != *exclude
            }
            CompiledFilter::And(filters) => filters.iter().all(|filter| filter.admits(facts, dice)),
            CompiledFilter::Or(filters) => filters.iter().any(|filter| filter.admits(facts, dice)),
        }
    }

    /// The headers that filters ask for.
    pub fn headers(&self, wanted: &mut Vec<http::HeaderName>) {
        match self {
            CompiledFilter::Header(header) => wanted.extend(header.name().cloned()),
            CompiledFilter::And(filters) | CompiledFilter::Or(filters) => {
                filters.iter().for_each(|filter| filter.headers(wanted));
            }
            _ => {}
        }
    }
}

fn several(filters: &[LogFilter], runtime: &Runtime) -> Result<Vec<CompiledFilter>, RegexError> {
    filters.iter().map(|filter| CompiledFilter::compile(filter, runtime)).collect()
}

/// The number that stands for a request id: its first eight hexadecimal digits, as in Envoy.
fn number_of(request_id: &str) -> Option<u32> {
    u32::from_str_radix(request_id.get(..8)?, 16).ok()
}

impl Compare {
    fn compile(by: &Comparison, runtime: &Runtime) -> Compare {
        Compare { op: by.op, with: runtime.uint(&by.value) }
    }

    fn holds(self, value: u64) -> bool {
        let with = u64::from(self.with);
        match self.op {
            ComparisonOp::Equal => value == with,
            ComparisonOp::AtLeast => value >= with,
            ComparisonOp::AtMost => value <= with,
            ComparisonOp::NotEqual => value != with,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};
    use ripstop_model::runtime::{RuntimeFraction, RuntimeUint};

    fn admits(filter: LogFilter) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-a", "1".parse().unwrap());
        let facts = LogFacts {
            head: RequestHead {
                authority: "shop",
                path: "/",
                query: None,
                method: "GET",
                scheme: "http",
                headers: &headers,
                client_cert_presented: false,
                client_cert_validated: false,
                random: 0,
            },
            request_id: Some("00000005-0000-4000-8000-000000000000"),
            status: 503,
            duration_ms: 20,
            flags: [ResponseFlag::UpstreamConnectionFailure].into_iter().collect(),
            grpc_status: 14,
            log_type: "DownstreamEnd",
        };
        let filter = CompiledFilter::compile(&filter, &Runtime::default()).unwrap();
        filter.admits(&facts, &mut || 999_999)
    }

    fn compare(op: ComparisonOp, default: u32) -> Comparison {
        Comparison { op, value: RuntimeUint { key: "".into(), default } }
    }

    #[test]
    fn each_kind_decides() {
        use ComparisonOp::{AtLeast, AtMost, Equal, NotEqual};
        let status = |op, with| admits(LogFilter::Status(compare(op, with)));
        assert!(status(AtLeast, 500) && status(AtMost, 503) && status(Equal, 503) && status(NotEqual, 200));
        assert!(
            !status(AtLeast, 504) && !status(AtMost, 502) && !status(Equal, 500) && !status(NotEqual, 503)
        );
        assert!(admits(LogFilter::DurationMs(compare(AtLeast, 20))));
        assert!(admits(LogFilter::NotHealthCheck));
        assert!(admits(LogFilter::Flags(vec![])) && admits(LogFilter::Flags(vec!["UF".into()])));
        assert!(!admits(LogFilter::Flags(vec!["NR".into(), "LH".into()])));
        let header = |name: &str| HeaderMatch {
            name: name.into(),
            value: HeaderValueMatch::Present(true),
            invert: false,
            treat_missing_as_empty: false,
        };
        assert!(admits(LogFilter::Header(header("x-a"))) && !admits(LogFilter::Header(header("x-b"))));
        assert!(admits(LogFilter::GrpcStatus { statuses: vec![14], exclude: false }));
        assert!(!admits(LogFilter::GrpcStatus { statuses: vec![14], exclude: true }));
        assert!(admits(LogFilter::LogType { types: vec!["DownstreamEnd".into()], exclude: false }));
    }

    #[test]
    fn shares_follow_the_request_id_unless_told_otherwise() {
        let share = |per_million, independent| {
            let share = RuntimeFraction::fixed(Percent::per_million(per_million));
            admits(LogFilter::Runtime { share, independent })
        };
        assert!(share(6, false) && !share(5, false));
        assert!(!share(999_999, true) && share(1_000_000, true));
    }

    #[test]
    fn filters_are_combined() {
        let (yes, no) = (LogFilter::NotHealthCheck, LogFilter::Flags(vec!["NR".into()]));
        assert!(!admits(LogFilter::And(vec![yes.clone(), no.clone()])));
        assert!(admits(LogFilter::Or(vec![no, yes])));
    }
}
