//! Access logs, at random.

use fastrand::Rng;
use ripstop_model::AccessLog;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};

use super::name;

pub(super) fn access_log(rng: &mut Rng) -> AccessLog {
    let sink = match rng.u8(0..3) {
        0 => AccessLogSink::Stdout,
        1 => AccessLogSink::Stderr,
        _ => AccessLogSink::File(format!("/var/log/{}", name(rng)).into()),
    };
    let format = match rng.bool() {
        true => AccessLogFormat::Default,
        false => AccessLogFormat::Text(format!("[%START_TIME%] {}\n", name(rng)).into()),
    };
    AccessLog { sink, format }
}
