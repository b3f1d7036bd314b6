//! Flags of Envoy's that mean nothing here. They are taken so that a command line written for Envoy works, and those whose
//! absence somebody could notice are told.

use clap::Args;

/// The flags.
#[derive(Debug, Args)]
pub struct EnvoyFlags {
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "N", hide = true, requires = "config_path")]
    base_id: Option<u32>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, hide = true, requires = "config_path")]
    use_dynamic_base_id: bool,
    /// Has no meaning here: there is no hot restart
    #[arg(long, hide = true, requires = "config_path")]
    disable_hot_restart: bool,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "N", hide = true, requires = "config_path")]
    restart_epoch: Option<u32>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "SECONDS", hide = true, requires = "config_path")]
    parent_shutdown_time_s: Option<u64>,
    /// Has no effect
    #[arg(long, value_name = "STRATEGY", hide = true, requires = "config_path")]
    drain_strategy: Option<String>,
    /// Has no effect
    #[arg(long, value_name = "FORMAT", hide = true, requires = "config_path")]
    log_format: Option<String>,
    /// Has no effect
    #[arg(long, value_name = "ZONE", hide = true, requires = "config_path")]
    service_zone: Option<String>,
}

impl EnvoyFlags {
    /// What is written and will be missed.
    pub fn warnings(&self) -> Vec<String> {
        let given = [
            ("--restart-epoch", self.restart_epoch.is_some_and(|epoch| epoch > 0)),
            ("--parent-shutdown-time-s", self.parent_shutdown_time_s.is_some()),
            ("--drain-strategy", self.drain_strategy.is_some()),
            ("--log-format", self.log_format.is_some()),
            ("--service-zone", self.service_zone.is_some()),
        ];
        let given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(flag, _)| format!("warning: {flag} has no effect\n")).collect()
    }
}
