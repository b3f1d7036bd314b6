//! Reads the faults that a rule makes up: Istio's `HTTPFaultInjection`.

use ripstop_model::fault::{FaultAbort, FaultDelay, FaultShare, FaultStatus, HttpFault};
use ripstop_yaml::{Field, Reader, nearest};

use super::mirror::whole_percent;
use crate::document::common::{percentage, positive_duration};

/// What the statuses of gRPC are called, by their numbers.
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(super) fn decode(reader: Reader<'_>) -> HttpFault {
    let fault = HttpFault {
        delay: reader.map("delay").and_then(delay),
        abort: reader.map("abort").and_then(abort),
        ..HttpFault::default()
    };
    if !reader.has("delay") && !reader.has("abort") {
        reader.error_here("a fault is a `delay`, an `abort`, or both");
    }
    reader.finish();
    fault
}

fn delay(reader: Reader<'_>) -> Option<FaultDelay> {
    let share = share(&reader);
    let fixed = positive_duration(&reader, "fixedDelay");
    reader.known_but_unsupported("exponentialDelay", "nothing waits for a time that dice decide");
    if !reader.has("fixedDelay") && !reader.has("exponentialDelay") {
        reader.error_with_help("fixedDelay", "a delay needs a time", "write for instance `fixedDelay: 2s`");
    }
    reader.finish();
    Some(FaultDelay { share: share?, fixed: Some(fixed?) })
}

fn abort(reader: Reader<'_>) -> Option<FaultAbort> {
    let share = share(&reader);
    let http = reader.field("httpStatus").and_then(|field| http_status(&field));
    let grpc = reader.field("grpcStatus").and_then(|field| grpc_status(&field));
    reader.known_but_unsupported("http2Error", "streams are not reset");
    match (reader.has("httpStatus"), reader.has("grpcStatus")) {
        (true, true) => reader.error_here("only one of `httpStatus` and `grpcStatus` can hold"),
        (false, false) if !reader.has("http2Error") => {
            reader.error_here("an abort needs `httpStatus` or `grpcStatus`");
        }
        _ => {}
    }
    reader.finish();
    let status = http.map(FaultStatus::Http).or(grpc.map(FaultStatus::Grpc))?;
    Some(FaultAbort { share: share?, status, body: None })
}

/// `percent` is what `percentage` was called before it could be a fraction. As in Istio, without either of them there is no
/// fault.
fn share(reader: &Reader<'_>) -> Option<FaultShare> {
    let whole = reader.field("percent").map(|field| whole_percent(&field));
    if let Some(fraction) = reader.map("percentage") {
        return percentage(fraction).map(FaultShare::of_percent);
    }
    match whole {
        Some(whole) => whole.map(FaultShare::of_percent),
        None => {
            let help = "write for instance `percentage: {value: 10}`";
            reader.warn_here(format!("without a share no request is concerned: {help}"));
            Some(FaultShare::default())
        }
    }
}

/// A status that an answer of a proxy can have.
pub(super) fn http_status(field: &Field<'_>) -> Option<u16> {
    match u16::try_from(field.u32()?) {
        Ok(status @ 200..=599) => Some(status),
        _ => {
            field.error("a status is 200 to 599");
            None
        }
    }
}

fn grpc_status(field: &Field<'_>) -> Option<u32> {
    let text = field.str()?;
    let found = GRPC_STATUSES.iter().position(|name| *name == text);
    if found.is_none() {
        let help = match nearest(&text, GRPC_STATUSES.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", GRPC_STATUSES.join(", ")),
        };
        field.error_with_help(format!("`{text}` is no status of gRPC"), help);
    }
    found.and_then(|number| u32::try_from(number).ok())
}
