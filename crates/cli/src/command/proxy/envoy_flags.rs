//! Flags of Envoy's that mean nothing here. They are taken so that a command line written for Envoy works, and those whose
//! absence somebody could notice are told.

use clap::Args;

/// The flags.
#[derive(Debug, Args)]
pub struct EnvoyFlags {
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "N", hide = true, requires = "file")]
    base_id: Option<u32>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, hide = true, requires = "file")]
    use_dynamic_base_id: bool,
    /// Has no meaning here: there is no hot restart
    #[arg(long, hide = true, requires = "file")]
    disable_hot_restart: bool,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "N", hide = true, requires = "file")]
    restart_epoch: Option<u32>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "SECONDS", hide = true, requires = "file")]
    parent_shutdown_time_s: Option<u64>,
    /// Has no effect
    #[arg(long, value_name = "STRATEGY", hide = true, requires = "file")]
    drain_strategy: Option<String>,
    /// Has no effect
    #[arg(long, value_name = "FORMAT", hide = true, requires = "file")]
    log_format: Option<String>,
    /// Has no effect
    #[arg(long, value_name = "ZONE", hide = true, requires = "file")]
    service_zone: Option<String>,
    /// Has no effect: unknown fields of a file are errors, so that none is overlooked
    #[arg(long, hide = true, requires = "file")]
    allow_unknown_static_fields: bool,
    /// Has no meaning here: unknown fields are refused
    #[arg(long, hide = true, requires = "file")]
    reject_unknown_dynamic_fields: bool,
    /// Has no effect
    #[arg(long, hide = true, requires = "file")]
    ignore_unknown_dynamic_fields: bool,
    /// Has no effect
    #[arg(long, value_name = "LIST", hide = true, requires = "file")]
    component_log_level: Option<String>,
    /// Has no effect: admin pages say their address
    #[arg(long, value_name = "VERSION", hide = true, requires = "file")]
    local_address_ip_version: Option<String>,
    /// Has no meaning here: lines are written as they come
    #[arg(long, value_name = "N", hide = true, requires = "file")]
    file_flush_interval_msec: Option<u64>,
    /// Has no meaning here: lines are written as they come
    #[arg(long, value_name = "N", hide = true, requires = "file")]
    file_flush_min_size_kb: Option<u64>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "PATH", hide = true, requires = "file")]
    socket_path: Option<String>,
    /// Has no meaning here: there is no hot restart
    #[arg(long, value_name = "MODE", hide = true, requires = "file")]
    socket_mode: Option<String>,
    /// Has no meaning here: threads are chosen by --concurrency
    #[arg(long, hide = true, requires = "file")]
    cpuset_threads: bool,
    /// Has no effect
    #[arg(long, hide = true, requires = "file")]
    enable_fine_grain_logging: bool,
    /// Has no effect
    #[arg(long, value_name = "NAME:VALUE", hide = true, requires = "file")]
    stats_tag: Vec<String>,
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
            ("--allow-unknown-static-fields", self.allow_unknown_static_fields),
            ("--ignore-unknown-dynamic-fields", self.ignore_unknown_dynamic_fields),
            ("--component-log-level", self.component_log_level.is_some()),
            ("--enable-fine-grain-logging", self.enable_fine_grain_logging),
            ("--stats-tag", !self.stats_tag.is_empty()),
        ];
        let given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(flag, _)| format!("warning: {flag} has no effect\n")).collect()
    }
}
