//! What is done with a client connection that speaks HTTP. The way of a request, step by step:
//!
//! ```text
//! connection ─▶ manager ─▶ sanitise ─▶ route ─▶ filters ─▶ forward ─▶ attempt ─▶ upstream::pool
//!                  │                                            │         ▲           │
//!                  │                                            ▼         └── retry ──┤
//!               stream (log, counters)                        reply                   ▼
//!                  └──────────────────◀────────────────────────────────────────── response
//! ```

pub mod affinity;
pub mod attempt;
pub mod calls;
pub mod client_cert;
pub mod connection;
pub mod deadline;
pub mod expect;
pub mod filtered;
pub mod filters;
pub mod forward;
pub mod frame_guard;
pub mod frames;
pub mod guard;
pub mod headers;
pub mod journey;
pub mod leash;
pub mod linger;
pub mod load_report;
pub mod local_exec;
pub mod local_reply;
pub mod manager;
pub mod mirror;
pub mod mutation;
pub mod post_tunnel;
pub mod proxy_status;
pub mod reply;
pub mod request_body;
pub mod request_id;
pub mod response_body;
pub mod rewrite;
pub mod sanitise;
pub mod session;
pub mod slowed;
pub mod stream;
pub mod target;
pub mod tee;
pub mod terminate;
pub mod trial;
pub mod tunnel;
pub mod under_way;
pub mod unreadable;
pub mod upgrade;
