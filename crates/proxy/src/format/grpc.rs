//! The names of gRPC status codes, in both ways in which logs write them.

/// Names by number, as `NotFound` and as `NOT_FOUND`.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// `NotFound`; `None` for a number that has no name.
pub fn camel(status: u32) -> Option<&'static str> {
    NAMES.get(status as usize).map(|(camel, _)| *camel)
}

/// `NOT_FOUND`; `None` for a number that has no name.
pub fn snake(status: u32) -> Option<&'static str> {
    NAMES.get(status as usize).map(|(_, snake)| *snake)
}

/// The status that a call has whose response says only this in HTTP, by gRPC's table.
pub fn of_http(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
