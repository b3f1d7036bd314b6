//! The log of the process itself, on standard error. Not the access log, and never per request.

use tracing_subscriber::EnvFilter;

/// A log level that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown log level '{0}'; use trace, debug, info, warn, error or off, or directives such as info,ripstop_xds=debug"
)]
pub struct UnknownLevel(String);

/// Starts the log. Call once, early. `level` is a level or a list of `target=level`; Envoy's
/// `warning` and `critical` are understood.
pub fn start_log(level: &str) -> Result<(), UnknownLevel> {
    let level = match level {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    };
    let filter = EnvFilter::try_new(level).map_err(|_| UnknownLevel(level.to_owned()))?;
    // A second start (in tests, many in one process) keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(true)
        .try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_advice() {
        let error = start_log("ripstop=loud").map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("use trace, debug")));
    }
}
