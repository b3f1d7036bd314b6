//! Active health: what follows from asking an endpoint how it is. Not the asking, which is I/O, and not what ordinary requests
//! tell, which is [`crate::outlier`].
//!
//! ```text
//!            first check, or `healthy_threshold` successes in a row
//! UNHEALTHY ───────────────────────────────────────────────────────▶ HEALTHY
//!           ◀───────────────────────────────────────────────────────
//!            `unhealthy_threshold` failures in a row, or one that leaves no doubt
//! ```
//!
//! An endpoint begins as unhealthy where its cluster checks. Checking goes on in both states. The state is kept in the flags of
//! the [`Host`](crate::host::Host) ([`flags`]), which all balancers see; what a state machine needs beside that is the
//! [`Session`]. Rules and times are Envoy's ("Health checking" in its documentation).

pub mod flags;
pub mod interval;
pub mod payload;
pub mod plan;
mod session;

pub use session::{FailureKind, HealthEvent, Probed, Session, Transition, Verdict};
