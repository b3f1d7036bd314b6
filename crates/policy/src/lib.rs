//! Every decision the mesh takes, as functions of values, time and dice.
//!
//! Nothing here waits, opens a socket, reads a clock or writes a log: `now` and the dice are arguments, and every
//! answer is a value that says *why*. The proxy carries decisions out, and simulations drive the very same code with a
//! virtual clock.
//!
//! | question | answered by |
//! | --- | --- |
//! | what the first bytes of a connection say | [`inspect`] |
//! | which filter chain takes a connection | [`filter_chain::ChainTable`] |
//! | which route takes a request | [`route::RouteTable`] |
//! | which cluster of a split | [`split::WeightedChoice`] |
//! | whether bytes of HTTP/1 may be passed on | [`http1::scan::Scanner`] |
//! | what a request is taken to mean | [`sanitise`] |
//! | what is set by name | [`runtime::Runtime`] |
//! | which endpoints there are, and how they fare | [`host::HostSet`], [`host::Host`] |
//! | what path, host and query become | [`rewrite::PathRewriter`], [`redirect::Redirector`] |
//! | which requests belong to one another | [`hash::RequestHasher`] |
//! | which endpoint takes a request | [`balance::Balancer`] |
//! | which endpoint is put aside for what it answers | [`outlier::OutlierDetector`] |
//! | which endpoint is well by what checks say, and when it is asked again | [`health::Session`], [`health::plan::Plan`] |
//! | whether one more connection may be open | [`connection_count::ConnectionCount`] |
//! | which address of an endpoint is tried first | [`happy_eyeballs`] |
//! | whether one more may be under way | [`limits::ClusterLimits`] |
//! | which pages of other origins may use an answer | [`cors::CorsRules`] |
//! | which requests have a fault that is made up | [`fault::FaultRules`] |
//! | whether a request is let in at all | [`adaptive::Gradient`], [`admission::AdmissionController`] |
//! | whether what is broken is asked at all | [`breaker::Breaker`] |
//! | which requests are refused first | [`shedding::Shedder`] |
//! | whether and when a request is tried again | [`retry::RetryState`] |
//! | how long anything may take | [`timeout`], [`request_times`], [`deadline`] |
//! | what HTTP means in gRPC | [`grpc`] |
//! | who may connect | [`rbac::Authorizer`] |
//! | whether there is a token left | [`token_bucket::TokenBucket`] |
//! | what all this is called in an access log | [`flags::ResponseFlag`] |
//!
//! State that workers share is atomic ([`host::Host`], [`limits::ClusterLimits`]); a lock is taken only where an
//! endpoint is ejected or returns. State that is not shared ([`balance::Balancer`], [`retry::RetryState`]) is owned by
//! one worker and taken by `&mut`.

pub mod access_log;
pub mod adaptive;
pub mod admission;
pub mod balance;
pub mod breaker;
pub mod connection_count;
pub mod cors;
pub mod deadline;
pub mod envoy_headers;
pub mod fault;
pub mod filter_chain;
pub mod flags;
pub mod grpc;
pub mod happy_eyeballs;
pub mod hash;
pub mod health;
pub mod host;
pub mod http1;
pub mod inspect;
pub mod limits;
pub mod outlier;
pub mod proxy_header;
pub mod rbac;
pub mod redirect;
pub mod request_times;
pub mod retry;
pub mod rewrite;
pub mod route;
pub mod runtime;
pub mod sanitise;
pub mod shedding;
pub mod split;
pub mod substitute;
pub mod timeout;
pub mod token_bucket;
