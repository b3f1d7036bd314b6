//! An endpoint that takes its time and counts how its requests ended, so that cancellation can be seen.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::{HttpResponse, rt::time::sleep, web};
use serde::Deserialize;
use serde_json::json;

use crate::{about::About, api_error::ApiError};

/// The longest wait.
const MAX_SECONDS: u64 = 60;

/// How many slow requests began, were answered, and were dropped before their answer.
#[derive(Debug, Default)]
pub struct SlowStats {
    started: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
}

#[derive(Deserialize)]
pub(super) struct SlowQuery {
    seconds: u64,
}

/// `GET /products/slow?seconds=S`: answers after S seconds.
pub(super) async fn answer_slowly(
    about: web::Data<About>,
    stats: web::Data<SlowStats>,
    query: web::Query<SlowQuery>,
) -> Result<HttpResponse, ApiError> {
    if query.seconds > MAX_SECONDS {
        return Err(ApiError::invalid("seconds", format!("must be a whole number from 0 to {MAX_SECONDS}")));
    }
    let wait = Wait::start(&stats);
    sleep(Duration::from_secs(query.seconds)).await;
    wait.finish();
    Ok(HttpResponse::Ok().json(json!({ "waited_seconds": query.seconds, "served_by": about.version })))
}

/// `GET /stats`.
pub(super) async fn show_stats(stats: web::Data<SlowStats>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "started": stats.started.load(Ordering::Relaxed),
        "finished": stats.finished.load(Ordering::Relaxed),
        "cancelled": stats.cancelled.load(Ordering::Relaxed),
    }))
}

/// One slow request under way. Dropping it before [`Wait::finish`] counts as cancelled.
struct Wait<'a> {
    stats: &'a SlowStats,
    finished: bool,
}

impl<'a> Wait<'a> {
    fn start(stats: &'a SlowStats) -> Self {
        stats.started.fetch_add(1, Ordering::Relaxed);
        Self { stats, finished: false }
    }

    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let count = if self.finished { &self.stats.finished } else { &self.stats.cancelled };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
