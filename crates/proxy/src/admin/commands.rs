//! The pages that change something. What they ask for is done on the control thread.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, text};
use ripstop_runtime::telemetry;
use tokio::sync::mpsc;

use super::Inspector;

/// Requests that wait to be done.
pub const MAX_COMMANDS: usize = 16;

/// What an administrator has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Close listeners: all of them, or those for inbound traffic.
    DrainListeners {
        /// Leave all but the inbound ones open.
        inbound_only: bool,
    },
    /// Set all counters to nothing.
    ResetCounters,
}

/// Where such requests go.
pub type Commands = mpsc::Sender<Command>;

pub(super) fn drain_listeners(inspector: &Inspector, query: &Query) -> Answer {
    if query.has("skip_exit") && !query.has("graceful") {
        return text(StatusCode::BAD_REQUEST, "skip_exit requires graceful\n");
    }
    ask(inspector, Command::DrainListeners { inbound_only: query.has("inboundonly") })
}

pub(super) fn reset_counters(inspector: &Inspector, _: &Query) -> Answer {
    ask(inspector, Command::ResetCounters)
}

fn ask(inspector: &Inspector, command: Command) -> Answer {
    match inspector.commands.try_send(command) {
        Ok(()) => text(StatusCode::OK, "OK\n"),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "busy; try again\n"),
    }
}

pub(super) fn healthcheck_fail(inspector: &Inspector, _: &Query) -> Answer {
    inspector.ready.wait(super::HEALTH_CHECK_FAILED);
    text(StatusCode::OK, "OK\n")
}

pub(super) fn healthcheck_ok(inspector: &Inspector, _: &Query) -> Answer {
    inspector.ready.done(super::HEALTH_CHECK_FAILED);
    text(StatusCode::OK, "OK\n")
}

pub(super) fn quit(inspector: &Inspector, _: &Query) -> Answer {
    inspector.shutdown.drain();
    text(StatusCode::OK, "OK\n")
}

/// What is logged; with parameters, changes it: `level=debug` for all, `paths=a:debug,b:info` or `a=debug` for some.
pub(super) fn logging(_: &Inspector, query: &Query) -> Answer {
    let mut changes: Vec<(Option<String>, String)> = Vec::new();
    for (name, value) in query.iter() {
        match name {
            "level" => changes.push((None, value.to_owned())),
            "paths" => changes.extend(value.split(',').filter_map(|pair| {
                let (name, level) = pair.split_once(':')?;
                Some((Some(name.to_owned()), level.to_owned()))
            })),
            name => changes.push((Some(name.to_owned()), value.to_owned())),
        }
    }
    for (name, level) in changes {
        if let Err(error) = telemetry::set_level(name.as_deref(), &level) {
            return text(StatusCode::BAD_REQUEST, format!("error: {error}\n\n{}", usage()));
        }
    }
    let list: String =
        telemetry::levels().iter().map(|(name, level)| format!("  {name}: {level}\n")).collect();
    text(StatusCode::OK, format!("active loggers:\n{list}\n"))
}

fn usage() -> String {
    "usage: /logging?<name>=<level> (change single level)\n\
     usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n\
     usage: /logging?level=<level> (change all levels)\n\
     levels: trace debug info warning error critical off\n"
        .to_owned()
}

pub(super) fn no_profiler(_: &Inspector, _: &Query) -> Answer {
    text(StatusCode::NOT_IMPLEMENTED, "there is no profiler in this program\n")
}
