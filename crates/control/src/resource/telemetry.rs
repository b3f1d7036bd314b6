//! What is told about traffic: Istio's `Telemetry`. Only whether there is an access log is in force.

use super::{Labels, Metadata};

/// `Telemetry` of `telemetry.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Name and place.
    pub meta: Metadata,
    /// Workloads that it applies to; `None`: all of its namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// Access logs, in order; a later one replaces an earlier one.
    pub access_logging: Vec<AccessLogging>,
}

/// Whether a side of traffic has an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogging {
    /// It is about what comes in.
    pub server: bool,
    /// It is about what goes out.
    pub client: bool,
    /// There is none.
    pub disabled: bool,
}

impl Telemetry {
    /// Whether there is an access log for a side, where this says anything about it.
    pub fn logs(&self, server: bool) -> Option<bool> {
        let about = self.access_logging.iter().rev();
        about.into_iter().find(|log| if server { log.server } else { log.client }).map(|log| !log.disabled)
    }
}
