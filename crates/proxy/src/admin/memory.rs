//! `/memory`: what the process takes of the machine, as the system tells it. What of that the allocator keeps for later is
//! not known.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, json};
use serde_json::json;

use super::Inspector;

/// Size of a page of memory on all systems that this runs on.
const PAGE_BYTES: u64 = 4096;

/// The page.
pub(super) fn show(_: &Inspector, _: &Query) -> Answer {
    let bytes = resident_bytes().to_string();
    let page = json!({
        "allocated": bytes,
        "heap_size": bytes,
        "pageheap_unmapped": "0",
        "pageheap_free": "0",
        "total_thread_cache": "0",
        "total_physical_bytes": bytes,
    });
    json(StatusCode::OK, format!("{page:#}\n"))
}

/// Memory in use that is not shared with files; 0 where the system does not say.
pub(super) fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let mut pages = text.split_ascii_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.nth(1).unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * PAGE_BYTES
}
